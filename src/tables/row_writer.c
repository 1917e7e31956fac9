/*
 * row_writer.c -- inserting rows without a plan.
 *
 * Runs in: client backends and workers.
 *
 * As logical replication inserts them (replication/logical/worker.c): the
 * executor's own functions see to indexes, constraints, generated columns and
 * triggers.  To plan and start an INSERT for each row costs three times as much
 * where users added nothing to the table.
 *
 * The state that the executor needs is made once and kept for the transaction,
 * because there may be thousands of calls.  It is forgotten when a table or a
 * function changes, as a plan would be (utils/cache/plancache.c).
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/xact.h"
#include "commands/sequence.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "rewrite/rewriteHandler.h"
#include "storage/lockdefs.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "tables/row_writer.h"

/* An index.  Of those with a condition, most rows are in none. */
typedef struct RowIndex
{
	Oid			index;
	IndexInfo  *info;
	int			column;			/* has only rows where it is not null; 0: all */
	Relation	relation;		/* NULL: not open now */
} RowIndex;

struct RowWriter
{
	MemoryContext context;		/* has all of this */
	MemoryContextCallback gone; /* called when it is deleted */
	Oid			table;
	TableTraits traits;
	SubTransactionId user;		/* that has begun and not ended, or Invalid */
	EState	   *estate;
	ResultRelInfo *relation;
	RowIndex   *indexes;		/* of relation */
	int			nindexes;
	TupleTableSlot *slot;
	ExprState **defaults;		/* by column; NULL: see TableTraits.defaults */
};

/* The writer of this transaction that can be used again, or NULL. */
static RowWriter *kept = NULL;

static RowWriter *kept_for(Relation table);
static bool is_used(const RowWriter *writer);
static RowWriter *create(Relation table, const TableTraits *traits);
static void follow_catalogs(void);
static void catalog_changed(Datum arg, int cache, uint32 hash);
static void forget(void *writer);
static void examine_indexes(RowWriter *writer);
static int	needed_column(const RowWriter *writer, const IndexInfo *info);
static void choose_indexes(RowWriter *writer);
static ExprState **prepare_defaults(RowWriter *writer, Relation table);
static void open_again(RowWriter *writer, Relation table);
static void close_indexes(RowWriter *writer);
static Datum default_value(RowWriter *writer, int column, bool *null);

RowWriter *
pgnet_row_writer_begin(Relation table, const TableTraits *traits)
{
	RowWriter  *writer;
	MemoryContext before;

	/* what the executor checks first (ExecCheckXactReadOnly) */
	PreventCommandIfReadOnly("INSERT");
	PreventCommandIfParallelMode("INSERT");

	writer = kept_for(table);
	if (writer != NULL)
		open_again(writer, table);
	else
		writer = create(table, traits);
	/* those that pgnet_row_writer_end() will see */
	traits = &writer->traits;
	if (traits->runs_user_code)
		PushActiveSnapshot(GetTransactionSnapshot());
	if (!traits->keeps_writer)
		AfterTriggerBeginQuery();
	if (traits->fires_statement_triggers)
	{
		before = MemoryContextSwitchTo(writer->estate->es_query_cxt);
		ExecBSInsertTriggers(writer->estate, writer->relation);
		MemoryContextSwitchTo(before);
	}
	return writer;
}

bool
pgnet_row_writer_insert(RowWriter *writer, const ShapeColumn *columns,
						int ncolumns, const Datum *values, const bool *nulls)
{
	TupleTableSlot *slot = writer->slot;
	int			natts = slot->tts_tupleDescriptor->natts;
	MemoryContext before;

	ResetPerTupleExprContext(writer->estate);
	ExecClearTuple(slot);
	memcpy(slot->tts_values, values, sizeof(Datum) * ncolumns);
	memcpy(slot->tts_isnull, nulls, sizeof(bool) * ncolumns);
	for (int i = 0; i < natts; i++)
		if (i >= ncolumns || columns[i].by_default)
			slot->tts_values[i] = default_value(writer, i,
												&slot->tts_isnull[i]);
	ExecStoreVirtualTuple(slot);
	slot->tts_tableOid = writer->table;
	/* what functions of users keep for the query belongs in this context */
	before = MemoryContextSwitchTo(writer->estate->es_query_cxt);
	if (writer->traits.keeps_writer)
		choose_indexes(writer);
	ExecSimpleRelationInsert(writer->relation, writer->estate, slot);
	MemoryContextSwitchTo(before);
	return ItemPointerIsValid(&slot->tts_tid);
}

Datum
pgnet_row_writer_value(RowWriter *writer, int column, bool *null)
{
	return slot_getattr(writer->slot, column + 1, null);
}

void
pgnet_row_writer_end(RowWriter *writer)
{
	const TableTraits *traits = &writer->traits;
	MemoryContext before = MemoryContextSwitchTo(writer->estate->es_query_cxt);

	if (traits->fires_statement_triggers)
		ExecASInsertTriggers(writer->estate, writer->relation, NULL);
	if (!traits->keeps_writer)
		AfterTriggerEndQuery(writer->estate);
	if (traits->runs_user_code)
		PopActiveSnapshot();
	writer->user = InvalidSubTransactionId;
	if (traits->keeps_writer)
		close_indexes(writer);
	else
		ExecCloseResultRelations(writer->estate);
	MemoryContextSwitchTo(before);
	if (writer != kept)
	{
		/* slots hold references to tuple descriptors */
		ExecResetTupleTable(writer->estate->es_tupleTable, false);
		FreeExecutorState(writer->estate);
		MemoryContextDelete(writer->context);
	}
	CommandCounterIncrement();
}

/* A writer that is in use is freed when it ends. */
void
pgnet_row_writer_forget(void)
{
	RowWriter  *writer = kept;

	kept = NULL;
	if (writer != NULL && !is_used(writer))
		MemoryContextDelete(writer->context);
}

/* The writer that is kept, if it is for this table and not in use. */
static RowWriter *
kept_for(Relation table)
{
	if (kept == NULL || is_used(kept))
		return NULL;
	/* an error came between begin and end */
	if (kept->user != InvalidSubTransactionId)
		pgnet_row_writer_forget();
	if (kept == NULL || kept->table != RelationGetRelid(table))
		return NULL;
	return kept;
}

/* Has somebody begun and not ended, in a subtransaction that is still open? */
static bool
is_used(const RowWriter *writer)
{
	return writer->user != InvalidSubTransactionId &&
		SubTransactionIsActive(writer->user);
}

/* Make the executor state that an INSERT has. */
static RowWriter *
create(Relation table, const TableTraits *traits)
{
	MemoryContext context = AllocSetContextCreate(CurTransactionContext,
												  "pg_net row writer",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext before = MemoryContextSwitchTo(context);
	RowWriter  *writer = palloc0(sizeof(RowWriter));

	follow_catalogs();
	writer->context = context;
	writer->gone.func = forget;
	writer->gone.arg = writer;
	MemoryContextRegisterResetCallback(context, &writer->gone);
	writer->table = RelationGetRelid(table);
	writer->traits = *traits;
	writer->user = GetCurrentSubTransactionId();
	writer->estate = CreateExecutorState();
	writer->relation = makeNode(ResultRelInfo);
	InitResultRelInfo(writer->relation, table, 0, NULL, 0);
	/* ours need not fire for our own rows */
	if (!traits->fires_row_triggers && !traits->fires_statement_triggers)
		writer->relation->ri_TrigDesc = NULL;
	/* where triggers look for it, and what ends the use of its indexes */
	writer->estate->es_opened_result_relations = list_make1(writer->relation);
	ExecOpenIndices(writer->relation, false);
	examine_indexes(writer);
	writer->slot =
		MakeSingleTupleTableSlot(CreateTupleDescCopy(RelationGetDescr(table)),
								 &TTSOpsVirtual);
	writer->defaults = prepare_defaults(writer, table);
	MemoryContextSwitchTo(before);
	if (traits->keeps_writer)
		kept = writer;
	return writer;
}

/*
 * Register the callbacks that forget the writer when a function, operator or
 * type changes; tables are followed by catalog.c.
 */
static void
follow_catalogs(void)
{
	static const int caches[] = {PROCOID, TYPEOID, OPEROID, AMOPOPID,
								 NAMESPACEOID};
	static bool following = false;

	for (int i = 0; !following && i < (int) lengthof(caches); i++)
		CacheRegisterSyscacheCallback(caches[i], catalog_changed, (Datum) 0);
	following = true;
}

/* Syscache callback. */
static void
catalog_changed(Datum arg, int cache, uint32 hash)
{
	(void) arg;
	(void) cache;
	(void) hash;
	pgnet_row_writer_forget();
}

/* Memory context callback: the (sub)transaction that made it ended. */
static void
forget(void *writer)
{
	if (kept == writer)
		kept = NULL;
}

/* Note the indexes, which are open. */
static void
examine_indexes(RowWriter *writer)
{
	ResultRelInfo *relation = writer->relation;

	writer->nindexes = relation->ri_NumIndices;
	writer->indexes = palloc(sizeof(RowIndex) * writer->nindexes);
	for (int i = 0; i < writer->nindexes; i++)
	{
		Relation	index = relation->ri_IndexRelationDescs[i];
		IndexInfo  *info = relation->ri_IndexRelationInfo[i];

		writer->indexes[i] = (RowIndex) {
			.index = RelationGetRelid(index),
			.info = info,
			.column = needed_column(writer, info),
			.relation = index
		};
	}
}

/*
 * The column that the condition of an index wants not to be null, if that is
 * all of it.  0: it has another one, or none, or the executor may yet change
 * the row, by a trigger or as the column is generated.
 */
static int
needed_column(const RowWriter *writer, const IndexInfo *info)
{
	TupleDesc	desc = RelationGetDescr(writer->relation->ri_RelationDesc);
	NullTest   *test;
	int			column;

	if (writer->traits.fires_row_triggers ||
		list_length(info->ii_Predicate) != 1)
		return 0;
	test = linitial(info->ii_Predicate);
	if (!IsA(test, NullTest) || test->nulltesttype != IS_NOT_NULL ||
		test->argisrow || !IsA(test->arg, Var))
		return 0;
	column = ((Var *) test->arg)->varattno;
	if (column <= 0 || TupleDescAttr(desc, column - 1)->attgenerated != '\0')
		return 0;
	return column;
}

/* Let the executor see the indexes that the row in the slot is in. */
static void
choose_indexes(RowWriter *writer)
{
	ResultRelInfo *relation = writer->relation;
	int			count = 0;

	for (int i = 0; i < writer->nindexes; i++)
	{
		RowIndex   *index = &writer->indexes[i];

		if (index->column > 0 && writer->slot->tts_isnull[index->column - 1])
			continue;
		if (index->relation == NULL)
			index->relation = index_open(index->index, RowExclusiveLock);
		relation->ri_IndexRelationDescs[count] = index->relation;
		relation->ri_IndexRelationInfo[count++] = index->info;
	}
	relation->ri_NumIndices = count;
}

/* Compile the defaults that are expressions. */
static ExprState **
prepare_defaults(RowWriter *writer, Relation table)
{
	int			natts = RelationGetDescr(table)->natts;
	ExprState **defaults = palloc0(sizeof(ExprState *) * natts);

	for (int i = 0; i < natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(RelationGetDescr(table), i);
		Node	   *expression;

		if (column->attisdropped || column->attgenerated != '\0' ||
			(i < PGNET_TRAITS_COLUMNS &&
			 writer->traits.defaults[i] != PGNET_DEFAULT_EXPRESSION))
			continue;
		expression = build_column_default(table, i + 1);
		if (expression != NULL)
			defaults[i] = ExecPrepareExpr((Expr *) expression, writer->estate);
	}
	return defaults;
}

/* Give a kept writer the relation that is open now. */
static void
open_again(RowWriter *writer, Relation table)
{
	writer->user = GetCurrentSubTransactionId();
	writer->relation->ri_RelationDesc = table;
	for (int i = 0; i < writer->nindexes; i++)
		writer->indexes[i].relation = NULL;
}

/* Close the indexes; they stay locked. */
static void
close_indexes(RowWriter *writer)
{
	for (int i = 0; i < writer->nindexes; i++)
		if (writer->indexes[i].relation != NULL)
			index_close(writer->indexes[i].relation, NoLock);
}

/* The default of a column. */
static Datum
default_value(RowWriter *writer, int column, bool *null)
{
	const TableTraits *traits = &writer->traits;
	ExprState  *expression = writer->defaults[column];

	*null = false;
	if (expression != NULL)
		return ExecEvalExprSwitchContext(expression,
										 GetPerTupleExprContext(writer->estate),
										 null);
	if (column < PGNET_TRAITS_COLUMNS &&
		traits->defaults[column] == PGNET_DEFAULT_NOW)
		return TimestampTzGetDatum(GetCurrentTransactionStartTimestamp());
	if (column < PGNET_TRAITS_COLUMNS &&
		traits->defaults[column] == PGNET_DEFAULT_SEQUENCE)
		return Int64GetDatum(nextval_internal(traits->sequence, false));
	*null = true;
	return (Datum) 0;
}
