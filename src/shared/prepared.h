/*
 * prepared.h -- what prepared transactions have queued.
 *
 * Runs in: every process.  Only the files of shared/ look into it, but for
 * the worker: a server that starts knows nothing of those prepared before.
 */
#ifndef PGNET_PREPARED_H
#define PGNET_PREPARED_H

#include "postgres.h"

/* Watch for PREPARE TRANSACTION and its end; called while the server starts. */
extern void pgnet_prepared_init(void);

/* For memory.c. */
extern Size pgnet_prepared_memory_size(void);
extern void pgnet_prepared_memory_init(void *memory, int lock_tranche);

/*
 * Prepared transactions with lower ids may be from before the server's start;
 * InvalidTransactionId: any may.  Runs in: the worker.
 */
extern TransactionId pgnet_prepared_horizon(void);

/*
 * No prepared transaction of our database is left from before the server's
 * start.  Runs in: the worker.
 */
extern void pgnet_prepared_all_known(void);

/* Called when a launcher begins; only the server's first sets the horizon. */
extern void pgnet_prepared_set_horizon(void);

#endif							/* PGNET_PREPARED_H */
