/*
 * worker_pool.h -- the processes of databases, as the launcher sees them.
 *
 * Runs in: the launcher.
 */
#ifndef PGNET_WORKER_POOL_H
#define PGNET_WORKER_POOL_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "launcher/databases.h"

typedef struct WorkerPool WorkerPool;

extern WorkerPool *pgnet_worker_pool_create(MemoryContext parent);

/*
 * See which databases have a state, before the databases are read: a state
 * that is there belongs to a database that was.
 */
extern void pgnet_worker_pool_follow_registry(WorkerPool *pool);

/* Release the states of databases that are not in the list. */
extern void pgnet_worker_pool_release_dropped(WorkerPool *pool,
											  const DatabaseList *list);

/* Have those that take connections probed, a few at a time. */
extern void pgnet_worker_pool_probe_all(WorkerPool *pool,
										const DatabaseList *list);

/* Is there one that was not probed yet? */
extern bool pgnet_worker_pool_is_probing(const WorkerPool *pool);

/* Try again at once what failed: it may be fixed. */
extern void pgnet_worker_pool_forget_failures(WorkerPool *pool);

/* Expired responses may be due earlier than it was thought. */
extern void pgnet_worker_pool_expire_now(WorkerPool *pool);

/*
 * See which processes have ended, and which are needed.  True: there is
 * something to start; *due is when there may be, if nothing happens before.
 */
extern bool pgnet_worker_pool_review(WorkerPool *pool, TimestampTz now,
									 TimestampTz *due);

/*
 * Start those that are needed, the most urgent first, as long as there are
 * background workers left; for how many databases with work there was none.
 * *due is lowered to when to try again.
 */
extern int	pgnet_worker_pool_start_needed(WorkerPool *pool,
										   const DatabaseList *list, Oid role,
										   TimestampTz now, TimestampTz *due);

/*
 * When the process of the database with that index was started; 0: by a
 * launcher before this one.
 */
extern TimestampTz pgnet_worker_pool_started(const WorkerPool *pool, int index);

#endif							/* PGNET_WORKER_POOL_H */
