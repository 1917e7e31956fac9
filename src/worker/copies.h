/*
 * copies.h -- a database that is a copy does not send what its template had.
 *
 * Runs in: workers.
 */
#ifndef PGNET_COPIES_H
#define PGNET_COPIES_H

#include "postgres.h"

#include "shared/worker_state.h"
#include "worker/access.h"

/*
 * Remove what was queued in the template, once, before the queue is read;
 * false: not now, and backoff may say when to try again.
 */
extern bool pgnet_copies_remove(WorkerState *worker, TableAccess *access,
								Backoff *backoff);

#endif							/* PGNET_COPIES_H */
