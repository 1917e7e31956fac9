/*
 * shape.h -- has a table the columns our statements need?
 *
 * Runs in: client backends and workers, inside a transaction.
 */
#ifndef PGNET_SHAPE_H
#define PGNET_SHAPE_H

#include "postgres.h"

#include "access/tupdesc.h"

#include "tables/statement.h"

/* A column as we made it. */
typedef struct ShapeColumn
{
	const char *name;
	Oid			type;
	bool		by_default;		/* our inserts do not name it */
} ShapeColumn;

/*
 * The name of the first of these columns that is missing, or whose type can
 * not be cast to ours (read) or assigned from ours (written); NULL when all
 * will do.  The name is the caller's.
 */
extern const char *pgnet_shape_unreadable(TupleDesc desc,
										  const ShapeColumn *columns,
										  int ncolumns);
extern const char *pgnet_shape_unwritable(TupleDesc desc,
										  const ShapeColumn *columns,
										  int ncolumns);

/*
 * Make a statement, once, that inserts a row of these columns, but for those
 * that are left to their defaults, into a table of the schema net; returning
 * is its last clause.  A parameter of the type of a domain would be taken to
 * fulfil its constraints, so they have the types of the shape.
 */
extern void pgnet_shape_prepare_insert(PreparedStatement *insert,
									   const char *table,
									   const ShapeColumn *columns,
									   int ncolumns, const char *returning);

/* Run it with values of these columns. */
extern void pgnet_shape_run_insert(PreparedStatement *insert,
								   const ShapeColumn *columns, int ncolumns,
								   const Datum *values, const bool *nulls,
								   int expected);

#endif							/* PGNET_SHAPE_H */
