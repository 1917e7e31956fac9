/*
 * queue_scan.h -- reading the queue in order of id, without a plan.
 *
 * Runs in: workers, inside a transaction with a snapshot.
 */
#ifndef PGNET_QUEUE_SCAN_H
#define PGNET_QUEUE_SCAN_H

#include "postgres.h"

#include "access/genam.h"
#include "executor/tuptable.h"
#include "utils/rel.h"
#include "utils/snapshot.h"

typedef struct QueueScan
{
	Relation	queue;
	Relation	primary_key;
	IndexScanDesc scan;
	Snapshot	snapshot;
	TupleTableSlot *slot;
} QueueScan;

/*
 * Begin to read the rows with from_id <= id <= to_id that are committed now.
 * The queue is open, locked and readable, and its primary key is on id; _end()
 * closes it, or after an error the abort of the transaction.
 */
extern void pgnet_queue_scan_begin(QueueScan *scan, Relation queue,
								   Oid primary_key, int64 from_id,
								   int64 to_id);

/* The next row, valid until the next call; NULL after the last. */
extern TupleTableSlot *pgnet_queue_scan_next(QueueScan *scan);

extern void pgnet_queue_scan_end(QueueScan *scan);

#endif							/* PGNET_QUEUE_SCAN_H */
