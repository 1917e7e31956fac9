/*
 * inflight_ids.h -- which requests are in flight, by their ids.
 *
 * Runs in: workers, which write their own entries, and client backends, which
 * read them.
 *
 * A request has an entry from the moment it is sent until its outcome is
 * recorded.  Entries are written without a lock, so a reader sees them as they
 * are at that moment.
 */
#ifndef PGNET_INFLIGHT_IDS_H
#define PGNET_INFLIGHT_IDS_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "shared/database_state.h"

/* For memory.c. */
extern Size pgnet_inflight_ids_memory_size(void);
extern void pgnet_inflight_ids_memory_init(void *memory, int lock_tranche);

/*
 * Begin to have entries; all are removed when the process exits.  Throws if
 * memory is short.
 */
extern void pgnet_inflight_ids_join(WorkerState *worker);

/*
 * Make an entry for a request that is sent at the time started.  Returns the
 * number of the entry, counted from 1; 0 if memory is short, in which case the
 * request is not seen to be in flight.  Does not throw.
 */
extern int	pgnet_inflight_ids_enter(int64 id, Oid role, TimestampTz started);

/* Remove an entry, unless its number is 0. */
extern void pgnet_inflight_ids_remove(int entry);

/* Is a request in flight in a database?  Throws if memory is short. */
extern bool pgnet_inflight_ids_contain(DatabaseState *database, int64 id);

/* A request in flight; started is by pgnet_clock_now(). */
typedef struct InflightId
{
	int64		id;
	Oid			role;
	TimestampTz started;
} InflightId;

/* Those of a database, palloc'd; how many.  Throws if memory is short. */
extern int	pgnet_inflight_ids_list(DatabaseState *database,
									InflightId **list);

#endif							/* PGNET_INFLIGHT_IDS_H */
