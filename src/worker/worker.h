/*
 * worker.h -- the processes of one database: birth and death.
 */
#ifndef PGNET_WORKER_H
#define PGNET_WORKER_H

#include "postgres.h"

#include "postmaster/bgworker.h"

typedef enum WorkerKind
{
	PGNET_WORKER,				/* serves the database */
	PGNET_LOOK					/* looks what is left to do there */
} WorkerKind;

/* Describe a process for a database; role may be InvalidOid. */
extern void pgnet_worker_describe(BackgroundWorker *worker, WorkerKind kind,
								  Oid database, Oid role);

/* Entry points of the processes, found by name. */
extern PGDLLEXPORT void pgnet_worker_main(Datum database);
extern PGDLLEXPORT void pgnet_look_main(Datum database);

#endif							/* PGNET_WORKER_H */
