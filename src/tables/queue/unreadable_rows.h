/*
 * unreadable_rows.h -- reading a queue in which a row cannot be read.
 *
 * Runs in: workers, inside a transaction.
 */
#ifndef PGNET_UNREADABLE_ROWS_H
#define PGNET_UNREADABLE_ROWS_H

#include "postgres.h"

#include "lib/ilist.h"

/*
 * What pgnet_queue_scan() and pgnet_queue_load() do, each row for itself: one
 * whose columns throw an error comes decided, with that error as its outcome.
 * An error that may pass is thrown.
 */
extern int	pgnet_broken_rows_scan(Oid table, int64 from_id, int limit,
								   bool ids_only, MemoryContext parent,
								   dlist_head *requests);
extern void pgnet_broken_rows_load(Oid table, int64 *ids, int nids,
								   MemoryContext parent, dlist_head *requests);

#endif							/* PGNET_UNREADABLE_ROWS_H */
