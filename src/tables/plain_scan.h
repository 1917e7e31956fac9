/*
 * plain_scan.h -- reading a queue that is as we made it, without the executor.
 *
 * Runs in: workers, inside a transaction with a snapshot.
 */
#ifndef PGNET_PLAIN_SCAN_H
#define PGNET_PLAIN_SCAN_H

#include "postgres.h"

#include "access/genam.h"
#include "executor/tuptable.h"
#include "utils/rel.h"
#include "utils/snapshot.h"

/* A scan in order of id. */
typedef struct PlainScan
{
	Relation	queue;
	Relation	primary_key;
	IndexScanDesc scan;
	Snapshot	snapshot;
	TupleTableSlot *slot;
} PlainScan;

/*
 * Begin to read the rows with from_id <= id <= to_id that are there
 * now.  The queue is open and locked, and its primary key is on id; it is
 * closed at the end.
 */
extern void pgnet_plain_scan_begin(PlainScan *scan, Relation queue,
								   Oid primary_key, int64 from_id,
								   int64 to_id);

/* The next row, valid until the one after it; NULL after the last. */
extern TupleTableSlot *pgnet_plain_scan_next(PlainScan *scan);

/* End it.  After an error the transaction's abort does. */
extern void pgnet_plain_scan_end(PlainScan *scan);

#endif							/* PGNET_PLAIN_SCAN_H */
