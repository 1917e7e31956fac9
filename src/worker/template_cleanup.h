/*
 * template_cleanup.h -- removing requests that a copy has from its template.
 *
 * Runs in: workers.
 */
#ifndef PGNET_TEMPLATE_CLEANUP_H
#define PGNET_TEMPLATE_CLEANUP_H

#include "postgres.h"

#include "shared/worker_state.h"
#include "worker/table_guard.h"

/*
 * If the database is a new copy, remove the rows that were queued in its
 * template.  To be called before the queue is read.  False: try again later, by
 * backoff.
 */
extern bool pgnet_template_cleanup_run(WorkerState *worker, TableGuard *guard,
									   Backoff *backoff);

#endif							/* PGNET_TEMPLATE_CLEANUP_H */
