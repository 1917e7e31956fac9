/*
 * copies.h -- removing requests that a new database has from its template.
 *
 * Runs in: workers.
 */
#ifndef PGNET_COPIES_H
#define PGNET_COPIES_H

#include "postgres.h"

#include "shared/worker_state.h"
#include "worker/table_guard.h"

/*
 * If the database is a new copy, remove the rows that were queued in its
 * template.  To be called before the queue is read.  False: try again later, by
 * backoff.
 */
extern bool pgnet_copies_remove(WorkerState *worker, TableGuard *guard,
								Backoff *backoff);

#endif							/* PGNET_COPIES_H */
