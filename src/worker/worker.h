/*
 * worker.h -- the processes of one database: start and exit.
 */
#ifndef PGNET_WORKER_H
#define PGNET_WORKER_H

#include "postgres.h"

/*
 * Entry points of the processes, found by name; launcher/worker_pool.c starts
 * them.  The argument is the database's oid, bgw_extra the oid of the role to
 * connect as, or InvalidOid.
 */
extern PGDLLEXPORT void pgnet_worker_main(Datum database);
extern PGDLLEXPORT void pgnet_probe_main(Datum database);

#endif							/* PGNET_WORKER_H */
