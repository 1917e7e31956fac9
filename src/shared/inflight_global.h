/*
 * inflight_global.h -- requests in flight of all workers together.
 *
 * Runs in: workers.
 */
#ifndef PGNET_INFLIGHT_GLOBAL_H
#define PGNET_INFLIGHT_GLOBAL_H

#include "postgres.h"

#include "shared/database_state.h"

/* For memory.c. */
extern Size pgnet_inflight_memory_size(void);
extern void pgnet_inflight_memory_init(void *memory, int lock_tranche);

/* Count this worker, and what it has in flight, until the process exits. */
extern void pgnet_inflight_join(WorkerState *worker);

/*
 * May the worker have one more in flight, of so many in all?  If so, one is
 * kept for it until it settles.  If not, its latch is set when it may be worth
 * to ask again.
 */
extern bool pgnet_inflight_is_left(WorkerState *worker, int limit);

/* It has less than it could use: wake it when another gives back. */
extern void pgnet_inflight_wait(WorkerState *worker);

/* How many the worker may have in flight now, of so many in all. */
extern int64 pgnet_inflight_share(WorkerState *worker, int limit);

/* The one that is kept is in flight; or one is not any more. */
extern void pgnet_inflight_take(void);
extern void pgnet_inflight_give_back(WorkerState *worker);

/*
 * Called once a cycle: keep none, set the latches of those that wait for what
 * it gave back, and wait no more itself if it was not refused since the last
 * call.
 */
extern void pgnet_inflight_settle(WorkerState *worker);

#endif							/* PGNET_INFLIGHT_GLOBAL_H */
