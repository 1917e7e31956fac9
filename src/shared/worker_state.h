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
 * Be the worker of the database until the process exits.  NULL when another
 * process is, or workers are kept out.
 */
extern WorkerState *pgnet_worker_claim(DatabaseState *database);

/* Is this process a worker? */
extern bool pgnet_worker_is_me(void);

/* The database that a worker is of. */
extern DatabaseState *pgnet_worker_database(WorkerState *worker);

/* Tell those who wait for it that the worker is at work. */
extern void pgnet_worker_set_ready(WorkerState *worker);

/* Tell the launcher whether the worker's process could be another's. */
extern void pgnet_worker_set_idle(WorkerState *worker, bool idle);

/* Answer a request to yield: not now; or, it may be asked again. */
extern void pgnet_worker_set_yield_refused(WorkerState *worker, bool refused);

/* The work begins, or ends cleanly; in between a death leaves it dirty. */
extern void pgnet_worker_set_dirty(WorkerState *worker, bool dirty);

/*
 * The worker leaves with nothing left to do but to expire a response then;
 * one that leaves without saying so is started again.
 */
extern void pgnet_worker_set_clean_idle_exit(WorkerState *worker,
											 TimestampTz next_due);

/*
 * This process ends in order, whether it is the worker of the database or
 * found another one there; else the launcher takes it for a failure.
 */
extern void pgnet_worker_set_clean_exit(DatabaseState *database);

#endif							/* PGNET_WORKER_STATE_H */
