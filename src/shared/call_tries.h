/*
 * call_tries.h -- calls of functions that are tried again in a moment.
 *
 * Runs in: the process of the callbacks.
 *
 * A call that failed for what others did at the same time waits for its next
 * try while others are made, also in the process of another role.  So it is
 * known here how often it was tried.  After a crash of the server that is lost,
 * and tries are counted anew.
 */
#ifndef PGNET_CALL_TRIES_H
#define PGNET_CALL_TRIES_H

#include "postgres.h"

#include "datatype/timestamp.h"

/* For memory.c. */
extern Size pgnet_call_tries_memory_size(void);
extern void pgnet_call_tries_memory_init(void *memory, int lock_tranche);

/* How often the call with a response of this database was tried in vain. */
extern int	pgnet_call_tries_get(int64 id, TimestampTz created);

/*
 * It was tried in vain so often by now, and is not to be tried for that long.
 * Throws if memory is short.
 */
extern void pgnet_call_tries_put(int64 id, TimestampTz created, int tries,
								 int pause_ms);

/* It was made, or failed for good. */
extern void pgnet_call_tries_remove(int64 id, TimestampTz created);

/*
 * The responses of this database that are not to be called with yet, *count
 * ids in the current memory context.  *rest_ms is lowered to when the first may
 * be.
 */
extern int64 *pgnet_call_tries_waiting(int *count, long *rest_ms);

/* Remove those of a database that nobody is connected to. */
extern void pgnet_call_tries_forget(Oid database);

#endif							/* PGNET_CALL_TRIES_H */
