/*
 * plain_table.h -- what makes a table one that needs no executor.
 *
 * Runs in: client backends and workers, inside a transaction.
 */
#ifndef PGNET_PLAIN_TABLE_H
#define PGNET_PLAIN_TABLE_H

#include "postgres.h"

#include "nodes/primnodes.h"
#include "utils/rel.h"

/* One column as we make it. */
typedef struct PlainColumn
{
	Oid			type;			/* without a modifier */
	bool		filled;			/* our rows have a value: it may be NOT NULL */
} PlainColumn;

/* Has the table these columns, stored, and no others? */
extern bool pgnet_plain_table_has_columns(TupleDesc desc,
										  const PlainColumn *columns,
										  int ncolumns);

/* Would an insert meet no rule, no constraint and no trigger? */
extern bool pgnet_plain_table_takes_rows(Relation table);

/* Would a delete meet no rule, and no trigger but that function's? */
extern bool pgnet_plain_table_gives_rows(Relation table, const char *function);

/* Has an index one column, of every row? */
extern bool pgnet_plain_table_simple_index(Relation index);

/* The default of a column if it is a call of function, else NULL. */
extern FuncExpr *pgnet_plain_table_default(Relation table, int column,
										   Oid function);

#endif							/* PGNET_PLAIN_TABLE_H */
