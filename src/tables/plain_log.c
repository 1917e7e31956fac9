/*
 * plain_log.c -- inserting into a response table that is as we made it.
 *
 * Runs in: workers.
 *
 * As in plain_queue.c: without the executor where nobody added anything that
 * needs one.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "executor/tuptable.h"
#include "utils/fmgroids.h"

#include "tables/outcome_rows.h"
#include "tables/plain_log.h"
#include "tables/plain_table.h"

static bool has_our_columns(TupleDesc desc);
static bool is_ours(Relation index);
static void insert_row(Relation table, const Relation *indexes,
					   OutcomeRows *rows, TupleTableSlot *slot);

/* Is the table plain? */
PlainLog
pgnet_plain_log_examine(Relation table, const OwnTriggers *own)
{
	PlainLog	log = {0};
	List	   *indexes;
	ListCell   *cell;
	int			n = 0;

	if (!has_our_columns(RelationGetDescr(table)) ||
		!pgnet_plain_table_takes_rows(table, own) ||
		pgnet_plain_table_default(table, RESPONSE_CREATED + 1, F_NOW) == NULL)
		return log;
	indexes = RelationGetIndexList(table);
	log.plain = list_length(indexes) == PGNET_LOG_INDEXES;
	foreach(cell, indexes)
	{
		Relation	index = index_open(lfirst_oid(cell), AccessShareLock);

		if (log.plain)
			log.indexes[n++] = lfirst_oid(cell);
		log.plain = log.plain && is_ours(index);
		index_close(index, AccessShareLock);
	}
	list_free(indexes);
	return log;
}

/* Insert rows. */
void
pgnet_plain_log_insert(Relation table, const PlainLog *log,
					   Job *const *jobs, int njobs)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(table),
													&TTSOpsVirtual);
	Relation	indexes[PGNET_LOG_INDEXES];
	OutcomeRows rows;

	for (int i = 0; i < PGNET_LOG_INDEXES; i++)
		indexes[i] = index_open(log->indexes[i], RowExclusiveLock);
	pgnet_outcome_rows_init(&rows);
	for (int i = 0; i < njobs; i++)
	{
		pgnet_outcome_rows_fill(&rows, jobs[i]);
		insert_row(table, indexes, &rows, slot);
	}
	for (int i = 0; i < PGNET_LOG_INDEXES; i++)
		index_close(indexes[i], NoLock);
	ExecDropSingleTupleTableSlot(slot);
	CommandCounterIncrement();
}

/* Insert one row. */
static void
insert_row(Relation table, const Relation *indexes, OutcomeRows *rows,
		   TupleTableSlot *slot)
{
	ExecClearTuple(slot);
	memcpy(slot->tts_values, rows->values, sizeof(rows->values));
	memcpy(slot->tts_isnull, rows->nulls, sizeof(rows->nulls));
	ExecStoreVirtualTuple(slot);
	table_tuple_insert(table, slot, GetCurrentCommandId(true), 0, NULL);
	for (int i = 0; i < PGNET_LOG_INDEXES; i++)
	{
		int			column = indexes[i]->rd_index->indkey.values[0] - 1;

		index_insert(indexes[i], &slot->tts_values[column],
					 &slot->tts_isnull[column], &slot->tts_tid, table,
					 UNIQUE_CHECK_NO, false, NULL);
	}
}

/* Has the table our columns and no others? */
static bool
has_our_columns(TupleDesc desc)
{
	PlainColumn columns[RESPONSE_COLUMNS];

	for (int i = 0; i < RESPONSE_COLUMNS; i++)
		columns[i] = (PlainColumn) {
			.type = pgnet_outcome_rows_shape[i].type,
			.filled = i == RESPONSE_ID || i == RESPONSE_TIMED_OUT ||
				i == RESPONSE_CREATED
		};
	return pgnet_plain_table_has_columns(desc, columns, RESPONSE_COLUMNS);
}

/* Is an index one of those we made: on one column, of every row? */
static bool
is_ours(Relation index)
{
	int			column = index->rd_index->indkey.values[0] - 1;

	return pgnet_plain_table_simple_index(index) &&
		!index->rd_index->indisunique &&
		(column == RESPONSE_ID || column == RESPONSE_CREATED);
}
