/*
 * queue_scan.c -- reading the queue in order of id, without a plan.
 *
 * Runs in: workers.
 *
 * To start and end a query costs ten times as much as to find one row, and
 * there is only one when requests come one at a time.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "storage/lockdefs.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"

#include "compat.h"
#include "tables/queue/queue_scan.h"

/* The first column of the index is id. */
#define KEY_ID 1

/*
 * Takes a snapshot that is younger than the lock: ALTER TABLE may have
 * rewritten the table since the transaction began, and an older snapshot would
 * see no rows.
 */
void
pgnet_queue_scan_begin(QueueScan *scan, Relation queue, Oid primary_key,
					   int64 from_id, int64 to_id)
{
	ScanKeyData keys[2];

	scan->queue = queue;
	scan->primary_key = index_open(primary_key, AccessShareLock);
	scan->slot = table_slot_create(queue, NULL);
	ScanKeyInit(&keys[0], KEY_ID, BTGreaterEqualStrategyNumber, F_INT8GE,
				Int64GetDatum(from_id));
	ScanKeyInit(&keys[1], KEY_ID, BTLessEqualStrategyNumber, F_INT8LE,
				Int64GetDatum(to_id));
	scan->snapshot = RegisterSnapshot(GetLatestSnapshot());
	scan->scan = PGNET_INDEX_BEGINSCAN(queue, scan->primary_key,
									   scan->snapshot, lengthof(keys));
	index_rescan(scan->scan, keys, lengthof(keys), NULL, 0);
}

TupleTableSlot *
pgnet_queue_scan_next(QueueScan *scan)
{
	if (!index_getnext_slot(scan->scan, ForwardScanDirection, scan->slot))
		return NULL;
	slot_getallattrs(scan->slot);
	return scan->slot;
}

void
pgnet_queue_scan_end(QueueScan *scan)
{
	index_endscan(scan->scan);
	UnregisterSnapshot(scan->snapshot);
	ExecDropSingleTupleTableSlot(scan->slot);
	index_close(scan->primary_key, AccessShareLock);
	table_close(scan->queue, NoLock);
}
