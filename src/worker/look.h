/*
 * look.h -- a first look at a database, when the server starts or it is a copy.
 */
#ifndef PGNET_LOOK_H
#define PGNET_LOOK_H

#include "postgres.h"

#include "shared/worker_state.h"

/*
 * See what is left to do in the connected database, and say that to the
 * launcher.  Runs in: processes that look.
 */
extern void pgnet_look_run(WorkerState *worker);

#endif							/* PGNET_LOOK_H */
