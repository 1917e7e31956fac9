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
 * Begin to insert into a table that is open, locked and writable
 * (TableTraits).  Does what an INSERT does before its first row.  Triggers,
 * constraints, generated columns, defaults and indexes of users take effect; if
 * there are any (runs_user_code), the current user must be the owner of the
 * table.  Throws if the transaction is read-only.  After an error the abort of
 * the (sub)transaction ends it.
 */
extern RowWriter *pgnet_row_writer_begin(Relation table,
										 const TableTraits *traits);

/*
 * Insert a row.  values and nulls are of our columns, which come first in the
 * table; columns with by_default get their defaults.  False if a trigger
 * suppressed the row.
 */
extern bool pgnet_row_writer_insert(RowWriter *writer,
									const ShapeColumn *columns, int ncolumns,
									const Datum *values, const bool *nulls);

/* A column, counted from 0, of the row that was inserted last. */
extern Datum pgnet_row_writer_value(RowWriter *writer, int column, bool *null);

/*
 * Fire the triggers that are due at the end of a statement.  The next command
 * of the transaction sees the rows.
 */
extern void pgnet_row_writer_end(RowWriter *writer);

/*
 * Free the writer that is kept for the transaction: a table or a function may
 * have changed.
 */
extern void pgnet_row_writer_forget(void);

#endif							/* PGNET_ROW_WRITER_H */
