/*
 * plain_queue.c -- inserting into a queue that is as we made it.
 *
 * Runs in: client backends.
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
#include "catalog/pg_type.h"
#include "commands/sequence.h"
#include "commands/trigger.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "nodes/primnodes.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"

#include "tables/plain_queue.h"
#include "tables/text.h"

/* The columns, in order of their numbers. */
enum
{
	COL_ID,
	COL_METHOD,
	COL_URL,
	COL_HEADERS,
	COL_BODY,
	COL_TIMEOUT,
	COL_ROLE,
	NCOLUMNS
};

static bool has_our_columns(TupleDesc desc, Oid method_type);
static bool runs_code(Relation table);
static Oid	only_index(Relation table);
static Oid	sequence_of_id(TupleDesc desc);

/* Is the table plain? */
PlainQueue
pgnet_plain_queue_examine(Relation table, Oid method_type)
{
	TupleDesc	desc = RelationGetDescr(table);
	PlainQueue	queue = {0};

	if (table->rd_rel->relkind != RELKIND_RELATION ||
		!has_our_columns(desc, method_type) || runs_code(table))
		return queue;
	queue.primary_key = only_index(table);
	queue.id_sequence = sequence_of_id(desc);
	queue.plain = OidIsValid(queue.primary_key) &&
		OidIsValid(queue.id_sequence);
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
	slot->tts_values[COL_ID] = Int64GetDatum(id);
	slot->tts_values[COL_METHOD] = CStringGetTextDatum(row->method);
	slot->tts_values[COL_URL] = CStringGetTextDatum(row->url);
	slot->tts_values[COL_TIMEOUT] = Int32GetDatum(row->timeout_ms);
	slot->tts_values[COL_ROLE] = ObjectIdGetDatum(row->role);
	if (row->headers != NULL)
		slot->tts_values[COL_HEADERS] = JsonbPGetDatum(row->headers);
	if (row->body != NULL)
		slot->tts_values[COL_BODY] = pgnet_bytes_datum(row->body,
													   row->body_len);
	memset(slot->tts_isnull, false, sizeof(bool) * NCOLUMNS);
	slot->tts_isnull[COL_HEADERS] = row->headers == NULL;
	slot->tts_isnull[COL_BODY] = row->body == NULL;
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

/* Has a table our columns and no others? */
static bool
has_our_columns(TupleDesc desc, Oid method_type)
{
	const Oid	types[NCOLUMNS] = {
		[COL_ID] = INT8OID,
		[COL_METHOD] = method_type,
		[COL_URL] = TEXTOID,
		[COL_HEADERS] = JSONBOID,
		[COL_BODY] = BYTEAOID,
		[COL_TIMEOUT] = INT4OID,
		[COL_ROLE] = REGROLEOID,
	};

	if (desc->natts != NCOLUMNS)
		return false;
	for (int i = 0; i < NCOLUMNS; i++)
	{
		Form_pg_attribute column = TupleDescAttr(desc, i);

		if (column->attisdropped || column->atttypid != types[i] ||
			column->attgenerated != '\0')
			return false;
	}
	return true;
}

/* Would an insert meet a rule, a constraint or a trigger? */
static bool
runs_code(Relation table)
{
	TriggerDesc *triggers = table->trigdesc;
	TupleConstr *constraints = RelationGetDescr(table)->constr;

	if (table->rd_rel->relhasrules ||
		(constraints != NULL && constraints->num_check > 0))
		return true;
	return triggers != NULL &&
		(triggers->trig_insert_before_row || triggers->trig_insert_after_row ||
		 triggers->trig_insert_instead_row ||
		 triggers->trig_insert_before_statement ||
		 triggers->trig_insert_after_statement);
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
		if (index->rd_index->indisprimary && index->rd_index->indimmediate &&
			index->rd_index->indisready && index->rd_index->indnatts == 1 &&
			index->rd_index->indkey.values[0] == COL_ID + 1)
			result = RelationGetRelid(index);
		index_close(index, AccessShareLock);
	}
	list_free(indexes);
	return result;
}

/* The sequence S if the default of id is nextval(S). */
static Oid
sequence_of_id(TupleDesc desc)
{
	TupleConstr *constraints = desc->constr;

	for (int i = 0; constraints != NULL && i < constraints->num_defval; i++)
	{
		FuncExpr   *call;
		Const	   *sequence;

		if (constraints->defval[i].adnum != COL_ID + 1)
			continue;
		call = stringToNode(constraints->defval[i].adbin);
		if (!IsA(call, FuncExpr) || call->funcid != F_NEXTVAL)
			continue;
		sequence = linitial(call->args);
		if (IsA(sequence, Const) && !sequence->constisnull)
			return DatumGetObjectId(sequence->constvalue);
	}
	return InvalidOid;
}
