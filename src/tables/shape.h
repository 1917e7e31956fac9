/*
 * shape.h -- has a table the columns our statements need?
 *
 * Runs in: client backends and workers, inside a transaction.
 */
#ifndef PGNET_SHAPE_H
#define PGNET_SHAPE_H

#include "postgres.h"

#include "access/tupdesc.h"

/* A column as CREATE EXTENSION made it. */
typedef struct ShapeColumn
{
	const char *name;
	Oid			type;
	bool		by_default;		/* our inserts leave it to its default */
	bool		filled;			/* it is NOT NULL */
} ShapeColumn;

/*
 * The name of the first column that is missing, or whose type cannot be cast to
 * ours (to read it) or assigned from ours (to write it).  NULL if there is
 * none.  The result points into columns.
 */
extern const char *pgnet_shape_unreadable(TupleDesc desc,
										  const ShapeColumn *columns,
										  int ncolumns);
extern const char *pgnet_shape_unwritable(TupleDesc desc,
										  const ShapeColumn *columns,
										  int ncolumns);

#endif							/* PGNET_SHAPE_H */
