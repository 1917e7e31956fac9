/*
 * plain_queue.c -- a queue that is as we made it, without the executor.
 *
 * Runs in: client backends (insert) and workers (remove).
 *
 * The executor costs three times what the insert itself does: it makes a plan
 * ready for triggers, constraints, generated columns, further indexes and what
 * else a table may have.  A queue nobody added anything to has none of them,
 * and a row goes in as a chunk goes into a TOAST table
 * (access/common/toast_internals.c).  Every other queue goes by SQL.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "commands/sequence.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "nodes/primnodes.h"
#include "storage/bufmgr.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"

#include "compat.h"
#include "tables/plain_queue.h"
#include "tables/plain_table.h"
#include "tables/queue_row.h"

static bool has_our_columns(TupleDesc desc, Oid method_type);
static Oid	only_index(Relation table);
static Oid	sequence_of_id(Relation table);

/* Is the table plain? */
PlainQueue
pgnet_plain_queue_examine(Relation table, Oid method_type,
						  const OwnTriggers *own)
{
	PlainQueue	queue = {0};

	if (!has_our_columns(RelationGetDescr(table), method_type))
		return queue;
	queue.gives_rows = pgnet_plain_table_gives_rows(table, own);
	queue.primary_key = only_index(table);
	queue.id_sequence = sequence_of_id(table);
	queue.takes_rows = pgnet_plain_table_takes_rows(table, own) &&
		OidIsValid(queue.primary_key) && OidIsValid(queue.id_sequence);
	return queue;
}

/* Insert a row. */
int64
pgnet_plain_queue_insert(Relation table, const PlainQueue *queue,
						 const QueueRow *row)
{
	TupleTableSlot *slot;
	Relation	primary_key;
	int64		id;

	/* what the executor checks first (ExecCheckXactReadOnly) */
	PreventCommandIfReadOnly("INSERT");
	PreventCommandIfParallelMode("INSERT");
	id = nextval_internal(queue->id_sequence, false);

	slot = MakeSingleTupleTableSlot(RelationGetDescr(table), &TTSOpsVirtual);
	pgnet_queue_row_write(row, slot->tts_values, slot->tts_isnull);
	slot->tts_values[QUEUE_ID] = Int64GetDatum(id);
	slot->tts_isnull[QUEUE_ID] = false;
	ExecStoreVirtualTuple(slot);
	table_tuple_insert(table, slot, GetCurrentCommandId(true), 0, NULL);

	primary_key = index_open(queue->primary_key, RowExclusiveLock);
	index_insert(primary_key, slot->tts_values, slot->tts_isnull,
				 &slot->tts_tid, table, UNIQUE_CHECK_YES, false, NULL);
	index_close(primary_key, NoLock);

	ExecDropSingleTupleTableSlot(slot);
	CommandCounterIncrement();
	return id;
}

/*
 * Remove rows that are where they were.  Our own triggers need not fire: they
 * tell the worker, and that is us.
 */
int
pgnet_plain_queue_remove(Relation table, Job *const *jobs,
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

/* Has a table our columns and no others? */
static bool
has_our_columns(TupleDesc desc, Oid method_type)
{
	PlainColumn columns[QUEUE_NCOLUMNS];

	pgnet_queue_row_columns(columns, method_type);
	return pgnet_plain_table_has_columns(desc, columns, QUEUE_NCOLUMNS);
}

/* The primary key on id, if that is the only index. */
static Oid
only_index(Relation table)
{
	List	   *indexes = RelationGetIndexList(table);
	Oid			result = InvalidOid;
	Relation	index;

	if (list_length(indexes) == 1)
	{
		index = index_open(linitial_oid(indexes), AccessShareLock);
		if (index->rd_index->indisprimary &&
			pgnet_plain_table_simple_index(index) &&
			index->rd_index->indkey.values[0] == QUEUE_ID + 1)
			result = RelationGetRelid(index);
		index_close(index, AccessShareLock);
	}
	list_free(indexes);
	return result;
}

/* The sequence S if the default of id is nextval(S). */
static Oid
sequence_of_id(Relation table)
{
	FuncExpr   *call = pgnet_plain_table_default(table, QUEUE_ID + 1,
												 F_NEXTVAL);
	Const	   *sequence = call ? linitial(call->args) : NULL;

	if (sequence == NULL || !IsA(sequence, Const) || sequence->constisnull)
		return InvalidOid;
	return DatumGetObjectId(sequence->constvalue);
}
