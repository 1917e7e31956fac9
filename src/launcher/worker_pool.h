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
 * Note which databases have a state.  To be called before pg_database is read:
 * a state without a database is then known to be of one that was dropped.
 */
extern void pgnet_worker_pool_follow_registry(WorkerPool *pool);

/* Release the states of databases that are not in the list. */
extern void pgnet_worker_pool_release_dropped(WorkerPool *pool,
											  const DatabaseList *list);

/* Have those that take connections probed, a few at a time. */
extern void pgnet_worker_pool_probe_all(WorkerPool *pool,
										const DatabaseList *list);

/* Are there databases that were not probed yet? */
extern bool pgnet_worker_pool_is_probing(const WorkerPool *pool);

/* Try again without a pause: what made processes fail may be fixed. */
extern void pgnet_worker_pool_forget_failures(WorkerPool *pool);

/* pg_net.ttl changed: start workers to find out when responses expire. */
extern void pgnet_worker_pool_expire_now(WorkerPool *pool);

/*
 * Find out which processes have exited, and which are needed.  Returns whether
 * there is something to start.  *due is set to when there may be, if nothing
 * else happens; DT_NOEND: never.
 */
extern bool pgnet_worker_pool_review(WorkerPool *pool, TimestampTz now,
									 TimestampTz *due);

/*
 * Start the processes that are needed, the most urgent first, until
 * max_worker_processes is used up.  Returns for how many databases with work
 * there was none.  *due is lowered to when to try again.
 */
extern int	pgnet_worker_pool_start_needed(WorkerPool *pool,
										   const DatabaseList *list, Oid role,
										   TimestampTz now, TimestampTz *due);

/*
 * When this launcher started the process of the database with that index; 0 if
 * it did not.
 */
extern TimestampTz pgnet_worker_pool_started(const WorkerPool *pool, int index);

#endif							/* PGNET_WORKER_POOL_H */
