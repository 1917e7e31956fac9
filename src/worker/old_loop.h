/*
 * old_loop.h -- serving a database that still has the catalog of pg_net 0.20.
 *
 * Runs in: workers.
 *
 * Between the restart with this library and ALTER EXTENSION pg_net UPDATE what
 * calls pg_net must not fail, and what is queued is sent, with its response in
 * the table.  There is nothing of what is new: no roles, rules or retries.
 */
#ifndef PGNET_OLD_LOOP_H
#define PGNET_OLD_LOOP_H

#include "postgres.h"

#include "shared/worker_state.h"

/*
 * Serve the connected database as long as it has that catalog; then the process
 * is to exit.  False: it does not have it.
 */
extern bool pgnet_old_loop_run(WorkerState *worker);

#endif							/* PGNET_OLD_LOOP_H */
