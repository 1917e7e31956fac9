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
	int64	   *ids;			/* in order, each once */
	int			nids;
	int64	   *open;			/* those that were not over at the last look */
	int			nopen;
	int			max_open;		/* with no more than these, the wait is over */
} ManyRequests;

/*
 * Look at the requests that are open.  True if the wait is over, or if this is
 * the last look: then the responses there are of all ids, as the same snapshot
 * shows them to the current role, are in rows, in order of their ids.  They
 * have the columns of desc.  Throws object_not_in_prerequisite_state for a
 * request that this transaction has queued, and when a column was changed.
 *
 * Sees what is committed now, and leaves no lock behind.  Memory that it takes
 * in the current context is the caller's to free.
 */
extern bool pgnet_responses_look(ManyRequests *requests, bool is_last,
								 TupleDesc desc, Tuplestorestate *rows);

#endif							/* PGNET_FIND_MANY_H */
