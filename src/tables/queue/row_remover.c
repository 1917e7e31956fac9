/*
 * row_remover.c -- removing rows of the queue without a plan.
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include "access/tableam.h"
#include "access/xact.h"
#include "executor/tuptable.h"
#include "storage/bufmgr.h"
#include "utils/snapmgr.h"

#include "compat.h"
#include "tables/queue/queue_row.h"
#include "tables/queue/row_remover.h"

/*
 * Remove rows that are where they were.  Our own triggers need not fire: they
 * tell the worker, and that is us.
 */
int
pgnet_queue_rows_remove(Relation table, Job *const *jobs,
						int njobs)
{
	TupleTableSlot *slot = table_slot_create(table, NULL);
	BlockNumber nblocks = RelationGetNumberOfBlocks(table);
	int			removed = 0;

	for (int i = 0; i < njobs; i++)
	{
		ItemPointerData place = jobs[i]->tid;
		TM_FailureData failure;
		bool		null;

		/* the file may be shorter by now, or another row be there */
		if (ItemPointerGetBlockNumberNoCheck(&place) >= nblocks ||
			!table_tuple_fetch_row_version(table, &place, GetActiveSnapshot(),
										   slot) ||
			DatumGetInt64(slot_getattr(slot, QUEUE_ID + 1, &null)) !=
				jobs[i]->id)
			continue;
		if (PGNET_TABLE_TUPLE_DELETE(table, &place, GetActiveSnapshot(),
									 &failure) == TM_Ok)
			removed++;
	}
	ExecDropSingleTupleTableSlot(slot);
	CommandCounterIncrement();
	return removed;
}
