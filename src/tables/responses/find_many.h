/*
 * find_many.h -- which of many requests are over, and their responses.
 *
 * Runs in: client backends.
 */
#ifndef PGNET_FIND_MANY_H
#define PGNET_FIND_MANY_H

#include "postgres.h"

#include "access/tupdesc.h"
#include "utils/tuplestore.h"

/* Requests that somebody waits for. */
typedef struct ManyRequests
{
	int64	   *ids;			/* sorted, without duplicates */
	int			nids;
	int64	   *open;			/* those that were not over at the last look */
	int			nopen;
	int			max_open;		/* the wait is over when nopen is no higher */
} ManyRequests;

/*
 * Look which of the open requests are over.  True if the wait is over, or if
 * this is the last look: then the existing responses of all ids, as the same
 * snapshot shows them to the current role, are put into rows in order of id.
 * They have the columns of desc.  Throws object_not_in_prerequisite_state for a
 * request that this transaction has queued, and if a column was changed.
 *
 * Sees what is committed now, and releases all locks.  The caller frees what is
 * allocated in the current memory context.
 */
extern bool pgnet_responses_look(ManyRequests *requests, bool is_last,
								 TupleDesc desc, Tuplestorestate *rows);

#endif							/* PGNET_FIND_MANY_H */
