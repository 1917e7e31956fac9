/*
 * queue.h -- net.http_request_queue: waiting requests.
 *
 * Every function runs inside a transaction.  Rows leave the queue only
 * together with their response: see responses/record.h.
 */
#ifndef PGNET_QUEUE_H
#define PGNET_QUEUE_H

#include "postgres.h"

#include "lib/ilist.h"
#include "exchange.h"
#include "tables/queue/queue_row.h"

/* Insert a row as the tables' owner; its id.  Runs in: client backends. */
extern int64 pgnet_queue_insert(const QueueRow *row);

/* Is the row that is being inserted one of a call? */
extern bool pgnet_queue_is_inserting(void);

/*
 * Append to requests the rows of table, the queue as locked, with from_id <=
 * id, in order of id, at most limit; how many there were.  Rows that are large
 * come without their content (loaded = false), and all of them when only their
 * ids are asked for.  A row that cannot be sent comes decided, with an
 * outcome.  Runs in: workers.
 */
extern int	pgnet_queue_scan(Oid table, int64 from_id, int limit,
							 bool ids_only, MemoryContext parent,
							 dlist_head *requests);

/*
 * Append to requests the rows with these ids that still exist, whole.  The
 * ids are put in order.
 */
extern void pgnet_queue_load(Oid table, int64 *ids, int nids,
							 MemoryContext parent, dlist_head *requests);

#endif							/* PGNET_QUEUE_H */
