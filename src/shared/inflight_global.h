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

/* Give back what this worker has in flight when the process exits. */
extern void pgnet_inflight_join(WorkerState *worker);

/*
 * May the worker have one more in flight?  limit: of all workers.  If so, a
 * place is reserved until pgnet_inflight_settle().  If not, its latch is set
 * when another worker gives a place back.
 */
extern bool pgnet_inflight_is_left(WorkerState *worker, int limit);

/* Set the worker's latch when another one gives a place back. */
extern void pgnet_inflight_wait(WorkerState *worker);

/* How many of the limit of all workers this one may have in flight now. */
extern int64 pgnet_inflight_share(WorkerState *worker, int limit);

/* Use the reserved place for a request; give the place of one back. */
extern void pgnet_inflight_take(void);
extern void pgnet_inflight_give_back(WorkerState *worker);

/*
 * Called once a cycle: give back a reserved place, wake the workers that wait
 * if places were given back, and stop waiting if this worker was not refused
 * one since the last call.
 */
extern void pgnet_inflight_settle(WorkerState *worker);

#endif							/* PGNET_INFLIGHT_GLOBAL_H */
