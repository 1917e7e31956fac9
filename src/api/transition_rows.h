/*
 * transition_rows.h -- the rows of a transition table, one after the other.
 *
 * Runs in: client backends, in a trigger.
 */
#ifndef PGNET_API_TRANSITION_ROWS_H
#define PGNET_API_TRANSITION_ROWS_H

#include "postgres.h"

#include "executor/tuptable.h"
#include "utils/rel.h"
#include "utils/tuplestore.h"

/* A place in it; all zero: there is no such table. */
typedef struct TransitionRows
{
	Tuplestorestate *store;
	int			pointer;		/* ours alone, for reading */
	TupleTableSlot *row;		/* the one that was read last */
} TransitionRows;

/* Begin to read, before the first row, and end it. */
extern void pgnet_transition_rows_begin(TransitionRows *rows, Relation table,
										Tuplestorestate *store);
extern void pgnet_transition_rows_end(TransitionRows *rows);

/* How many there are. */
extern int64 pgnet_transition_rows_count(const TransitionRows *rows);

/* Read the next row; false at the end. */
extern bool pgnet_transition_rows_next(TransitionRows *rows);

#endif							/* PGNET_API_TRANSITION_ROWS_H */
