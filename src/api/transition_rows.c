/*
 * transition_rows.c -- the rows of a transition table, one after the other.
 *
 * Runs in: client backends.
 *
 * As the executor reads them (nodeNamedtuplestorescan.c), but without a plan.
 * Other triggers of the statement read the same store, each by its pointer.
 */
#include "postgres.h"

#include "executor/executor.h"
#include "utils/rel.h"

#include "api/transition_rows.h"

/* Begin; a pointer lives as long as its store. */
void
pgnet_transition_rows_begin(TransitionRows *rows, Relation table,
							Tuplestorestate *store)
{
	*rows = (TransitionRows) {.store = store};
	if (store == NULL)
		return;
	rows->pointer = tuplestore_alloc_read_pointer(store, EXEC_FLAG_REWIND);
	tuplestore_select_read_pointer(store, rows->pointer);
	tuplestore_rescan(store);
	rows->row = MakeSingleTupleTableSlot(RelationGetDescr(table),
										 &TTSOpsMinimalTuple);
}

void
pgnet_transition_rows_end(TransitionRows *rows)
{
	if (rows->row != NULL)
		ExecDropSingleTupleTableSlot(rows->row);
}

int64
pgnet_transition_rows_count(const TransitionRows *rows)
{
	return rows->store ? tuplestore_tuple_count(rows->store) : 0;
}

bool
pgnet_transition_rows_next(TransitionRows *rows)
{
	if (rows->store == NULL)
		return false;
	tuplestore_select_read_pointer(rows->store, rows->pointer);
	return tuplestore_gettupleslot(rows->store, true, false, rows->row);
}
