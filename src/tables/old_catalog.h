/*
 * old_catalog.h -- the tables as pg_net 0.20 made them.
 *
 * Runs in: workers, inside a transaction.
 *
 * A server that was restarted with this library has the catalog of 0.20 until
 * ALTER EXTENSION pg_net UPDATE is run in each database.
 */
#ifndef PGNET_OLD_CATALOG_H
#define PGNET_OLD_CATALOG_H

#include "postgres.h"

#include "lib/ilist.h"

#include "job.h"

/* The version of the extension if its catalog is the old one; else NULL. */
extern char *pgnet_old_catalog_version(void);

/* Can that version be updated to this one? */
extern bool pgnet_old_catalog_has_update(void);

/*
 * Lock both tables until the transaction ends, without waiting, and act as
 * their owner with that search_path.  False: somebody else holds a lock, or the
 * tables are gone.
 */
extern bool pgnet_old_catalog_lock(const char *search_path);

/*
 * Read rows whose id is higher than after, in order of id, at most limit, as
 * jobs in parent's context; those with an outcome already are not valid.
 * *last_id is that of the last one.  Returns how many.
 */
extern int	pgnet_old_queue_read(int64 after, int limit, MemoryContext parent,
								 dlist_head *jobs, int64 *last_id);

/*
 * Store the outcome of a job and remove its row, also if the extension was
 * updated meanwhile.  If a trigger of the user
 * throws an error, that is logged, and the row is removed all the same.
 */
extern void pgnet_old_response_store(const Job *job);

/* Remove responses that are older than pg_net.ttl (microseconds). */
extern void pgnet_old_responses_expire(int64 ttl_us);

#endif							/* PGNET_OLD_CATALOG_H */
