/*
 * unreadable_rows.h -- reading a queue in which a row cannot be read.
 *
 * Runs in: workers, inside a transaction.
 */
#ifndef PGNET_UNREADABLE_ROWS_H
#define PGNET_UNREADABLE_ROWS_H

#include "postgres.h"

#include "tables/queue/queue.h"

/*
 * What pgnet_queue_scan() and pgnet_queue_load() do, each row for itself: one
 * whose columns throw an error comes decided, with that error as its outcome.
 * An error that may pass is thrown.
 */
extern void pgnet_broken_rows_scan(QueueRead *read, int64 from_id, int limit);
extern void pgnet_broken_rows_load(QueueRead *read, int64 *ids, int nids);

#endif							/* PGNET_UNREADABLE_ROWS_H */
