/*
 * inflight_ids.h -- which requests are in flight, by their ids.
 *
 * Runs in: workers, which write their own; every process may look.
 *
 * From the moment a request is sent until its outcome is recorded.  Only its
 * worker writes an entry, without a lock: whoever looks sees what is there at
 * that moment.
 */
#ifndef PGNET_INFLIGHT_IDS_H
#define PGNET_INFLIGHT_IDS_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "shared/database_state.h"

/* For memory.c. */
extern Size pgnet_inflight_ids_memory_size(void);
extern void pgnet_inflight_ids_memory_init(void *memory, int lock_tranche);

/* Have no entries yet, and none any more when the process exits. */
extern void pgnet_inflight_ids_join(WorkerState *worker);

/*
 * Enter a request that is sent at a time: the number of its entry, counted from
 * 1.  0 when memory is out: then it is not seen.  Does not throw.
 */
extern int	pgnet_inflight_ids_enter(int64 id, TimestampTz started);

/* Remove an entry; 0 is none. */
extern void pgnet_inflight_ids_remove(int entry);

/* Is a request in flight in a database?  Throws when memory is out. */
extern bool pgnet_inflight_ids_contain(DatabaseState *database, int64 id);

#endif							/* PGNET_INFLIGHT_IDS_H */
