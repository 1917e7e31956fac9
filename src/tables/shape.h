/*
 * shape.h -- has a table the columns our statements need?
 *
 * Runs in: client backends and workers, inside a transaction.
 */
#ifndef PGNET_SHAPE_H
#define PGNET_SHAPE_H

#include "postgres.h"

#include "access/tupdesc.h"

/* A column as we made it. */
typedef struct ShapeColumn
{
	const char *name;
	Oid			type;
	bool		by_default;		/* our inserts do not name it */
	bool		filled;			/* it is NOT NULL as we make it */
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

#endif							/* PGNET_SHAPE_H */
