/*
 * row_writer.h -- inserting rows without a plan.
 *
 * Runs in: client backends and workers, inside a transaction.
 */
#ifndef PGNET_ROW_WRITER_H
#define PGNET_ROW_WRITER_H

#include "postgres.h"

#include "utils/rel.h"

#include "tables/table_traits.h"

typedef struct RowWriter RowWriter;

/*
 * Begin to insert into a table that is open, locked and writable: what an
 * INSERT does before its first row.  Triggers, constraints, generated columns,
 * defaults and indexes of users take part; where they do (runs_user_code),
 * the caller is the table's owner.  Throws when the transaction is read-only.
 * After an error the abort of the (sub)transaction ends it.
 */
extern RowWriter *pgnet_row_writer_begin(Relation table,
										 const TableTraits *traits);

/*
 * Insert a row: values of our columns, which are the first ones, but for those
 * that are left to their defaults.  False when a trigger took the row away.
 */
extern bool pgnet_row_writer_insert(RowWriter *writer,
									const ShapeColumn *columns, int ncolumns,
									const Datum *values, const bool *nulls);

/* A column of the row that was inserted last, the first being 0. */
extern Datum pgnet_row_writer_value(RowWriter *writer, int column, bool *null);

/* End it: the next command sees the rows. */
extern void pgnet_row_writer_end(RowWriter *writer);

/* Forget the writers that are kept: a table or a function may be another. */
extern void pgnet_row_writer_forget(void);

#endif							/* PGNET_ROW_WRITER_H */
