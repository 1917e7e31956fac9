/*
 * worker.h -- the background worker of a database.
 */
#ifndef PGNET_WORKER_H
#define PGNET_WORKER_H

#include "postgres.h"

/* Register the worker; runs while the server starts. */
extern void pgnet_worker_init(void);

/* Entry point of the process, found by name. */
extern PGDLLEXPORT void pgnet_worker_main(Datum unused);

#endif							/* PGNET_WORKER_H */
