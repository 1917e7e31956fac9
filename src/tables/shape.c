/*
 * shape.c -- has a table the columns our statements need?
 *
 * Runs in: client backends and workers.
 *
 * People drop and rename columns.  A statement that fails for it would take
 * every response for one that cannot be stored; so the worker looks first.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "parser/parse_coerce.h"
#include "utils/memutils.h"

#include "tables/shape.h"

static Form_pg_attribute find_column(TupleDesc desc, const char *name);
static bool can_cast(Oid from, Oid to, CoercionContext context);

/* Look at columns we read. */
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

/* Look at columns we write. */
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

/* Make an INSERT. */
void
pgnet_shape_prepare_insert(PreparedStatement *insert, const char *table,
						   const ShapeColumn *columns, int ncolumns,
						   const char *returning)
{
	StringInfoData names;
	StringInfoData parameters;
	const char *comma = "";

	if (insert->sql != NULL)
		return;
	insert->nparams = 0;
	initStringInfo(&names);
	initStringInfo(&parameters);
	for (int i = 0; i < ncolumns; i++)
	{
		if (columns[i].by_default)
			continue;
		insert->param_types[insert->nparams++] = columns[i].type;
		appendStringInfo(&names, "%s%s", comma, columns[i].name);
		appendStringInfo(&parameters, "%s$%d", comma, insert->nparams);
		comma = ", ";
	}
	insert->sql =
		MemoryContextStrdup(TopMemoryContext,
							psprintf("INSERT INTO net.%s (%s) VALUES (%s) %s",
									 table, names.data, parameters.data,
									 returning));
}

/* Run it. */
void
pgnet_shape_run_insert(PreparedStatement *insert, const ShapeColumn *columns,
					   int ncolumns, const Datum *values, const bool *nulls,
					   int expected)
{
	Datum		parameters[PGNET_PLAN_MAX_PARAMS];
	char		flags[PGNET_PLAN_MAX_PARAMS];
	int			count = 0;

	for (int i = 0; i < ncolumns; i++)
	{
		if (columns[i].by_default)
			continue;
		parameters[count] = values[i];
		flags[count++] = nulls[i] ? 'n' : ' ';
	}
	pgnet_plan_run(insert, parameters, flags, expected);
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
