/*
 * shape.c -- has a table the columns our statements need?
 *
 * Runs in: client backends and workers.
 *
 * Users drop and rename columns.  The worker looks before it runs statements:
 * if these failed for that reason, it would give up every response as one that
 * cannot be stored.
 */
#include "postgres.h"

#include "parser/parse_coerce.h"

#include "tables/shape.h"

static Form_pg_attribute find_column(TupleDesc desc, const char *name);
static bool can_cast(Oid from, Oid to, CoercionContext context);

const char *
pgnet_shape_unreadable(TupleDesc desc, const ShapeColumn *columns, int ncolumns)
{
	for (int i = 0; i < ncolumns; i++)
	{
		Form_pg_attribute column = find_column(desc, columns[i].name);

		if (column == NULL ||
			!can_cast(column->atttypid, columns[i].type, COERCION_EXPLICIT))
			return columns[i].name;
	}
	return NULL;
}

const char *
pgnet_shape_unwritable(TupleDesc desc, const ShapeColumn *columns, int ncolumns)
{
	for (int i = 0; i < ncolumns; i++)
	{
		Form_pg_attribute column = find_column(desc, columns[i].name);

		if (column == NULL || column->attgenerated != '\0' ||
			!can_cast(columns[i].type, column->atttypid, COERCION_ASSIGNMENT))
			return columns[i].name;
	}
	return NULL;
}

/* The column of that name, or NULL. */
static Form_pg_attribute
find_column(TupleDesc desc, const char *name)
{
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(desc, i);

		if (!column->attisdropped &&
			strcmp(NameStr(column->attname), name) == 0)
			return column;
	}
	return NULL;
}

/* Is there a cast? */
static bool
can_cast(Oid from, Oid to, CoercionContext context)
{
	return from == to || can_coerce_type(1, &from, &to, context);
}
