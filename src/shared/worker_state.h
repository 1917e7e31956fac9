/*
 * worker_state.h -- what a worker says of itself.
 *
 * Runs in: workers and probes.
 */
#ifndef PGNET_WORKER_STATE_H
#define PGNET_WORKER_STATE_H

#include "postgres.h"

#include "shared/database_state.h"

/*
 * Be the worker of the database until the process exits.  NULL if another
 * process is, or if workers are blocked.
 */
extern WorkerState *pgnet_worker_claim(DatabaseState *database);

/* Is this process a worker? */
extern bool pgnet_worker_is_me(void);

extern DatabaseState *pgnet_worker_database(WorkerState *worker);

/* The worker is connected; wake the backends that wait for that. */
extern void pgnet_worker_set_ready(WorkerState *worker);

/* Tell the launcher whether the worker could leave its process to another. */
extern void pgnet_worker_set_idle(WorkerState *worker, bool idle);

/* Refuse a request to yield; or allow the launcher to ask again. */
extern void pgnet_worker_set_yield_refused(WorkerState *worker, bool refused);

/* Set when the work begins, and reset when it ends: a death leaves it set. */
extern void pgnet_worker_set_dirty(WorkerState *worker, bool dirty);

/*
 * The worker is about to exit with nothing left to do until next_due (wall
 * clock; DT_NOEND: nothing at all).  If it exits without this call, a start is
 * requested.
 */
extern void pgnet_worker_set_clean_idle_exit(WorkerState *worker,
											 TimestampTz next_due);

/*
 * This process is about to exit in order, as the worker of the database or
 * because there is one.  Without this call the launcher counts a failure.
 */
extern void pgnet_worker_set_clean_exit(DatabaseState *database);

#endif							/* PGNET_WORKER_STATE_H */
