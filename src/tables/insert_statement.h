/*
 * insert_statement.h -- the INSERT of a row, where it takes a statement.
 *
 * Runs in: client backends and workers, inside a transaction.
 */
#ifndef PGNET_INSERT_STATEMENT_H
#define PGNET_INSERT_STATEMENT_H

#include "postgres.h"

#include "tables/shape.h"
#include "tables/statement.h"

/*
 * Insert a row into a table of schema net, by a statement.  values and nulls
 * are of the columns; those with by_default are left to their defaults.  The
 * statement, empty at first, is written and prepared by the first call;
 * returning is its RETURNING clause, or "".  Returns how many rows were
 * inserted, or returned.
 */
extern int	pgnet_insert_statement_run(StatementSession *session,
									   PreparedStatement *insert,
									   const char *table,
									   const ShapeColumn *columns, int ncolumns,
									   const char *returning,
									   const Datum *values, const bool *nulls);

#endif							/* PGNET_INSERT_STATEMENT_H */
