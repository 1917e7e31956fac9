/*
 * probe.h -- does a database need a worker?
 *
 * Runs in: probes (backend type "net look").  Each database is probed once
 * after the server started, and when it was made as a copy of another.
 */
#ifndef PGNET_PROBE_H
#define PGNET_PROBE_H

#include "postgres.h"

#include "shared/worker_state.h"

/*
 * Find what is pending in the connected database, and tell the launcher; in a
 * copy, remove first what was queued in the template.
 */
extern void pgnet_probe_run(WorkerState *worker);

#endif							/* PGNET_PROBE_H */
