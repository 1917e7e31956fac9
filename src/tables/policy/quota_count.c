/*
 * quota_count.c -- how much is queued, by role.
 *
 * Runs in: workers, inside a transaction.
 *
 * Rows of transactions in progress are counted as well, because their calls
 * have counted them; but not if the queue can be read by a statement only.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/hsearch.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "tables/catalog.h"
#include "tables/policy/quota_count.h"
#include "tables/queue/queue_row.h"
#include "tables/statement.h"

static PreparedStatement count_rows = {
	.sql = "SELECT q.role::pg_catalog.oid, pg_catalog.count(*),"
		   " pg_catalog.sum(" PGNET_QUEUE_STORED_SIZE ")"
		   " FROM ONLY net.http_request_queue AS q WHERE q.gave_up IS NULL"
		   " GROUP BY q.role",
};

static PreparedStatement count_states = {
	.sql = "SELECT pg_catalog.count(*) FILTER (WHERE q.gave_up IS NULL"
		   " AND q.due OPERATOR(pg_catalog.>) pg_catalog.now()),"
		   " pg_catalog.count(q.gave_up), pg_catalog.max(q.id)"
		   " FROM ONLY net.http_request_queue AS q",
};

static PreparedStatement find_prepared = {
	.sql = "SELECT p.transaction FROM pg_catalog.pg_prepared_xact() AS p"
		   " WHERE p.dbid OPERATOR(pg_catalog.=) $1",
	.nparams = 1,
	.param_types = {OIDOID}
};

static Waiting *count_by_statement(int *nroles, QueueCount *count);
static Waiting *count_slots(Relation queue, int *nroles, QueueCount *count);
static void count_slot(HTAB *roles, TupleTableSlot *slot, TimestampTz now,
					   QueueCount *count);
static Waiting *list(HTAB *roles, int *nroles);
static int	compare_roles(const void *a, const void *b);

Waiting *
pgnet_waiting_count(int *nroles, QueueCount *count)
{
	Oid			primary_key;
	Oid			table = pgnet_catalog_relation("http_request_queue");
	Relation	queue = pgnet_catalog_open_readable_queue(table, &primary_key);
	Waiting    *waiting;

	*count = (QueueCount) {.last_id = PG_INT64_MIN};
	if (queue == NULL)
		waiting = count_by_statement(nroles, count);
	else
	{
		waiting = count_slots(queue, nroles, count);
		table_close(queue, NoLock);
	}
	qsort(waiting, *nroles, sizeof(Waiting), compare_roles);
	return waiting;
}

/* Count what is committed. */
static Waiting *
count_by_statement(int *nroles, QueueCount *count)
{
	StatementSession session;
	Waiting    *waiting;

	pgnet_statement_begin(&session, PGNET_AS_OWNER);
	*nroles = pgnet_statement_run(&session, &count_rows, NULL, NULL);
	waiting = palloc0(sizeof(Waiting) * (*nroles + 1));
	for (int i = 0; i < *nroles; i++)
		waiting[i] = (Waiting) {
			.role = pgnet_statement_oid(&session, i, 1),
			.rows = pgnet_statement_int64(&session, i, 2, 0),
			.bytes = pgnet_statement_int64(&session, i, 3, 0)
		};
	(void) pgnet_statement_run(&session, &count_states, NULL, NULL);
	*count = (QueueCount) {
		.scheduled = pgnet_statement_int64(&session, 0, 1, 0),
		.gave_up = pgnet_statement_int64(&session, 0, 2, 0),
		.last_id = pgnet_statement_int64(&session, 0, 3, PG_INT64_MIN)
	};
	pgnet_statement_end(&session);
	return waiting;
}

/* Count what is committed, and what may be. */
static Waiting *
count_slots(Relation queue, int *nroles, QueueCount *count)
{
	HASHCTL		control = {
		.keysize = sizeof(Oid),
		.entrysize = sizeof(Waiting),
		.hcxt = CurrentMemoryContext
	};
	HTAB	   *roles = hash_create("pg_net waiting", 64, &control,
									HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	TupleTableSlot *slot = table_slot_create(queue, NULL);
	TimestampTz now = GetCurrentTimestamp();
	SnapshotData dirty;
	TableScanDesc scan;

	InitDirtySnapshot(dirty);
	scan = table_beginscan_strat(queue, &dirty, 0, NULL, true, false);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		count_slot(roles, slot, now, count);
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	return list(roles, nroles);
}

/* Count a row. */
static void
count_slot(HTAB *roles, TupleTableSlot *slot, TimestampTz now,
		   QueueCount *count)
{
	const Datum *values = slot->tts_values;
	const bool *nulls = slot->tts_isnull;
	Oid			role;
	bool		found;
	Waiting    *waiting;

	slot_getsomeattrs(slot, QUEUE_NCOLUMNS);
	count->last_id = Max(count->last_id, DatumGetInt64(values[QUEUE_ID]));
	if (!nulls[QUEUE_GAVE_UP])
	{
		count->gave_up++;
		return;
	}
	if (!nulls[QUEUE_DUE] && DatumGetTimestampTz(values[QUEUE_DUE]) > now)
		count->scheduled++;
	role = nulls[QUEUE_ROLE] ? InvalidOid :
							   DatumGetObjectId(values[QUEUE_ROLE]);
	waiting = hash_search(roles, &role, HASH_ENTER, &found);
	if (!found)
		*waiting = (Waiting) {.role = role};
	waiting->rows++;
	waiting->bytes += pgnet_queue_row_stored_size(values, nulls);
}

/* What was counted, as an array. */
static Waiting *
list(HTAB *roles, int *nroles)
{
	Waiting    *waiting = palloc(sizeof(Waiting) *
								 (hash_get_num_entries(roles) + 1));
	HASH_SEQ_STATUS scan;
	Waiting    *entry;

	*nroles = 0;
	hash_seq_init(&scan, roles);
	while ((entry = hash_seq_search(&scan)) != NULL)
		waiting[(*nroles)++] = *entry;
	hash_destroy(roles);
	return waiting;
}

/* For qsort(). */
static int
compare_roles(const void *a, const void *b)
{
	Oid			left = ((const Waiting *) a)->role;
	Oid			right = ((const Waiting *) b)->role;

	return left < right ? -1 : left > right;
}

bool
pgnet_waiting_is_prepared(TransactionId before)
{
	Datum		database = ObjectIdGetDatum(MyDatabaseId);
	StatementSession session;
	bool		found = false;
	int			count;

	pgnet_statement_begin(&session, 0);
	count = pgnet_statement_run(&session, &find_prepared, &database, NULL);
	for (int i = 0; i < count && !found; i++)
	{
		bool		null;
		Datum		xid = pgnet_statement_datum(&session, i, 1, &null);

		found = TransactionIdPrecedes(DatumGetTransactionId(xid), before);
	}
	pgnet_statement_end(&session);
	return found;
}
