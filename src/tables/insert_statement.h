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
 * Insert a row: values of these columns, but for those that are left to their
 * defaults, into a table of the schema net.  The statement, empty at first, is
 * made from the shape; returning is its last clause.  How many rows it gave or
 * inserted.
 */
extern int	pgnet_insert_statement_run(StatementSession *session,
									   PreparedStatement *insert,
									   const char *table,
									   const ShapeColumn *columns, int ncolumns,
									   const char *returning,
									   const Datum *values, const bool *nulls);

#endif							/* PGNET_INSERT_STATEMENT_H */
