/*
 * row_change.c -- changing a row of net._http_response without a plan.
 *
 * Runs in: the process of the callbacks.
 *
 * As logical replication does it (replication/logical/worker.c), but without
 * triggers.
 */
#include "postgres.h"

#include "access/tableam.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "tables/callbacks/row_change.h"

static void fill(TupleTableSlot *slot, TupleTableSlot *old, Relation log,
				 const RowChange *change);
static void set(TupleTableSlot *slot, Relation log, const char *name,
				bool has_value, Datum value);

bool
pgnet_row_change(Relation log, ItemPointer tid, const RowChange *change)
{
	EState	   *estate = CreateExecutorState();
	MemoryContext before = MemoryContextSwitchTo(estate->es_query_cxt);
	ResultRelInfo *relation = makeNode(ResultRelInfo);
	TupleTableSlot *old = table_slot_create(log, NULL);
	TupleTableSlot *slot = table_slot_create(log, NULL);
	bool		found;

	PushActiveSnapshot(GetLatestSnapshot());
	found = table_tuple_fetch_row_version(log, tid, GetActiveSnapshot(), old);
	if (found)
	{
		InitResultRelInfo(relation, log, 0, NULL, 0);
		relation->ri_TrigDesc = NULL;
		ExecOpenIndices(relation, false);
		if (change->removes)
			ExecSimpleRelationDelete(relation, estate, NULL, old);
		else
		{
			fill(slot, old, log, change);
			ExecSimpleRelationUpdate(relation, estate, NULL, old, slot);
		}
		ExecCloseIndices(relation);
		CommandCounterIncrement();
	}
	PopActiveSnapshot();
	ExecDropSingleTupleTableSlot(old);
	ExecDropSingleTupleTableSlot(slot);
	MemoryContextSwitchTo(before);
	FreeExecutorState(estate);
	return found;
}

/* The old row, changed.  What is in TOAST stays there. */
static void
fill(TupleTableSlot *slot, TupleTableSlot *old, Relation log,
	 const RowChange *change)
{
	int			natts = RelationGetNumberOfAttributes(log);

	slot_getallattrs(old);
	ExecClearTuple(slot);
	memcpy(slot->tts_values, old->tts_values, sizeof(Datum) * natts);
	memcpy(slot->tts_isnull, old->tts_isnull, sizeof(bool) * natts);
	if (change->called != 0)
		set(slot, log, "called", true, TimestampTzGetDatum(change->called));
	set(slot, log, "callback_error", change->error != NULL,
		change->error ? CStringGetTextDatum(change->error) : (Datum) 0);
	set(slot, log, "callback_deaths", change->deaths > 0,
		Int32GetDatum(change->deaths));
	ExecStoreVirtualTuple(slot);
}

/* Give a column its value. */
static void
set(TupleTableSlot *slot, Relation log, const char *name, bool has_value,
	Datum value)
{
	AttrNumber	number = get_attnum(RelationGetRelid(log), name);

	if (number == InvalidAttrNumber)
		elog(ERROR, "net._http_response has no column \"%s\"", name);
	slot->tts_values[number - 1] = value;
	slot->tts_isnull[number - 1] = !has_value;
}
