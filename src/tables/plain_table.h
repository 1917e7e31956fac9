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

/*
 * Functions of our own triggers.  What they do need not be done for our own
 * statements without the executor.
 */
typedef struct OwnTriggers
{
	Oid			queue_changed;
	Oid			queue_insert;
	Oid			not_replicated;
} OwnTriggers;

/* Has the table these columns, stored, and no others? */
extern bool pgnet_plain_table_has_columns(TupleDesc desc,
										  const PlainColumn *columns,
										  int ncolumns);

/* Would an insert meet no rule, no constraint and no trigger but ours? */
extern bool pgnet_plain_table_takes_rows(Relation table,
										 const OwnTriggers *own);

/* Would a delete meet no rule, and no trigger but ours? */
extern bool pgnet_plain_table_gives_rows(Relation table,
										 const OwnTriggers *own);

/* Has an index one column, of every row? */
extern bool pgnet_plain_table_simple_index(Relation index);

/* The default of a column if it is a call of function, else NULL. */
extern FuncExpr *pgnet_plain_table_default(Relation table, int column,
										   Oid function);

#endif							/* PGNET_PLAIN_TABLE_H */
