/*
 * queue.c -- net.http_request_queue: waiting requests.
 *
 * Runs in: client backends (insert) and workers (scan, load).
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_type.h"
#include "commands/sequence.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "endpoint_url.h"
#include "job.h"
#include "tables/catalog.h"
#include "tables/ids.h"
#include "tables/insert_statement.h"
#include "tables/local_setting.h"
#include "tables/queue/method_domain.h"
#include "tables/queue/queue.h"
#include "tables/queue/queue_scan.h"
#include "tables/row_writer.h"
#include "tables/subtransaction.h"
#include "tables/transaction.h"

/* Our SELECTs give the columns of the table, in order, and the place. */
enum
{
	COL_PLACE = QUEUE_NCOLUMNS,
	NCOLUMNS
};

/* One of their rows. */
typedef struct Row
{
	Datum		values[NCOLUMNS];
	bool		nulls[NCOLUMNS];
} Row;

/* A column may be of another type since; a cast to the same one is none. */
#define SELECT_ROWS \
	"SELECT q.id::pg_catalog.int8, q.method::pg_catalog.text," \
	" q.url::pg_catalog.text, q.headers::pg_catalog.jsonb," \
	" q.body::pg_catalog.bytea, q.timeout_milliseconds::pg_catalog.int4," \
	" q.role::pg_catalog.regrole," \
	" q.connect_timeout_milliseconds::pg_catalog.int4," \
	" q.max_redirects::pg_catalog.int4," \
	" q.max_response_bytes::pg_catalog.int8," \
	" q.decompress::pg_catalog.bool, q.http_version::pg_catalog.text," \
	" q.same_origin_headers::pg_catalog.text[]," \
	" q.queued::pg_catalog.timestamptz, q.due::pg_catalog.timestamptz," \
	" q.gave_up::pg_catalog.timestamptz, q.retry::pg_catalog.interval[]," \
	" q.failures::pg_catalog.jsonb, q.ordering_key::pg_catalog.text," \
	" q.callback::pg_catalog.text," \
	" q.context::pg_catalog.jsonb," \
	" q.keep::pg_catalog.bool, q.deaths::pg_catalog.int4, q.ctid" \
	" FROM ONLY net.http_request_queue AS q"

static PreparedStatement insert_row;
static PreparedStatement insert_row_with_id;

static PreparedStatement scan_rows = {
	.sql = SELECT_ROWS
	" WHERE q.id OPERATOR(pg_catalog.>=) $1 ORDER BY q.id LIMIT $2",
	.nparams = 2,
	.param_types = {INT8OID, INT8OID}
};

/* Much cheaper than looking each id up; for ids that lie close together. */
static PreparedStatement load_range = {
	.sql = SELECT_ROWS
	" WHERE q.id OPERATOR(pg_catalog.>=) $1"
	" AND q.id OPERATOR(pg_catalog.<=) $2 ORDER BY q.id",
	.nparams = 2,
	.param_types = {INT8OID, INT8OID}
};

static PreparedStatement load_rows = {
	.sql = SELECT_ROWS
	" WHERE q.id OPERATOR(pg_catalog.=) ANY ($1) ORDER BY q.id",
	.nparams = 1,
	.param_types = {INT8ARRAYOID}
};

/* In order of the index on (due, id). */
static PreparedStatement find_due = {
	.sql = "SELECT q.id::pg_catalog.int8, q.due::pg_catalog.timestamptz,"
		   " q.gave_up IS NOT NULL FROM ONLY net.http_request_queue AS q"
		   " WHERE q.due OPERATOR(pg_catalog.<=) $1"
		   " AND (q.due, q.id) OPERATOR(pg_catalog.>) ($2, $3)"
		   " ORDER BY q.due, q.id LIMIT $4",
	.nparams = 4,
	.param_types = {TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID, INT8OID}
};

static PreparedStatement find_next_due = {
	.sql = "SELECT q.due::pg_catalog.timestamptz"
		   " FROM ONLY net.http_request_queue AS q"
		   " WHERE q.due OPERATOR(pg_catalog.>) $1"
		   " ORDER BY q.due, q.id LIMIT 1",
	.nparams = 1,
	.param_types = {TIMESTAMPTZOID}
};

static PreparedStatement remove_given_up = {
	.sql = "DELETE FROM ONLY net.http_request_queue AS q"
		   " WHERE q.ctid OPERATOR(pg_catalog.=) ANY (ARRAY("
		   " SELECT g.ctid FROM ONLY net.http_request_queue AS g"
		   " WHERE g.id OPERATOR(pg_catalog.=) ANY ($1)"
		   " AND g.gave_up IS NOT NULL"
		   " AND g.due OPERATOR(pg_catalog.<=) $2 FOR UPDATE SKIP LOCKED))",
	.nparams = 2,
	.param_types = {INT8ARRAYOID, TIMESTAMPTZOID}
};

/* How long a trigger may take when they are removed. */
#define REMOVE_SECONDS 1

/* Argument of the SubtransactionWork that removes them. */
typedef struct Removal
{
	const int64 *ids;
	int			nids;
	TimestampTz now;
	int			removed;
} Removal;

/* A row of a call is being inserted, and code of users may run. */
static bool inserting = false;

static bool insert_as_owner(Relation queue, const TableTraits *traits,
							const QueueRow *row, int64 *id);
static bool insert_guarded(Relation queue, const TableTraits *traits,
						   const QueueRow *row, int64 *id);
pg_noreturn static void rethrow_without_row(void);
static bool insert_directly(Relation queue, const TableTraits *traits,
							const QueueRow *row, int64 *id);
static bool insert_by_statement(const QueueRow *row, int64 *id);
static const ShapeColumn *shape_of(const QueueRow *row);
static void scan_by_statement(QueueRead *read, int64 from_id, int limit);
static void load_by_statement(QueueRead *read, int64 *ids, int nids);
static bool try_remove(Removal *removal, bool *too_long);
static void remove_rows(void *removal);
static void take_selected(QueueRead *read, const StatementSession *session,
						  int number);
static bool lie_close(const int64 *ids, int nids);
static void read_slot(TupleTableSlot *slot, Row *row);
static void read_selected(const StatementSession *session, int number,
						  Row *row);
static bool is_due(QueueRead *read, const Row *row);
static void take_row(QueueRead *read, const Row *row);
static void set_waits_since(Job *job, const Row *row);
static void copy_row(QueueRead *read, const Row *row);

int64
pgnet_queue_insert(const QueueRow *row)
{
	TableTraits traits;
	Relation	queue = pgnet_catalog_open_writable_queue(&traits);
	int64		id;
	bool		inserted;

	if (queue != NULL)
		pgnet_method_domain_check(pgnet_catalog_method_type(), row->method);
	if (queue == NULL || traits.runs_user_code)
		inserted = insert_as_owner(queue, &traits, row, &id);
	else if (traits.has_constraints)
		inserted = insert_guarded(queue, &traits, row, &id);
	else
		inserted = insert_directly(queue, &traits, row, &id);
	if (queue != NULL)
		table_close(queue, NoLock);
	if (!inserted)
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("the request was not queued"),
				errdetail("A trigger or rule on net.http_request_queue discarded the row."));
	return id;
}

/*
 * Insert a row with the rights of the owner of the queue: what users hung on
 * it must not have the caller's, nor find functions and operators by the
 * caller's search_path.  Queue is NULL when it takes a statement.
 */
static bool
insert_as_owner(Relation queue, const TableTraits *traits, const QueueRow *row,
				int64 *id)
{
	CatalogUser caller = pgnet_catalog_become_owner();
	int			level = pgnet_local_setting_begin("search_path",
												  "pg_catalog, pg_temp");
	bool		inserted = insert_guarded(queue, traits, row, id);

	pgnet_local_setting_end(level);
	pgnet_catalog_become(caller);
	return inserted;
}

/* Insert a row that somebody's constraint or trigger may refuse. */
static bool
insert_guarded(Relation queue, const TableTraits *traits, const QueueRow *row,
			   int64 *id)
{
	MemoryContext context = CurrentMemoryContext;
	bool		outer = inserting;
	bool		inserted = false;

	inserting = true;
	PG_TRY();
	{
		inserted = queue ? insert_directly(queue, traits, row, id) :
						   insert_by_statement(row, id);
	}
	PG_CATCH();
	{
		inserting = outer;
		MemoryContextSwitchTo(context);
		rethrow_without_row();
	}
	PG_END_TRY();
	inserting = outer;
	return inserted;
}

/* The row that violates a constraint has headers and a body: keep it out. */
pg_noreturn static void
rethrow_without_row(void)
{
	ErrorData  *error = CopyErrorData();

	FlushErrorState();
	if (error->sqlerrcode == ERRCODE_CHECK_VIOLATION ||
		error->sqlerrcode == ERRCODE_NOT_NULL_VIOLATION)
		error->detail = error->detail_log = NULL;
	ReThrowError(error);
}

/* Insert a row without a plan. */
static bool
insert_directly(Relation queue, const TableTraits *traits, const QueueRow *row,
				int64 *id)
{
	RowWriter  *writer = pgnet_row_writer_begin(queue, traits);
	Datum		values[QUEUE_NCOLUMNS];
	bool		nulls[QUEUE_NCOLUMNS];
	bool		inserted;
	bool		null = true;

	pgnet_queue_row_write(row, values, nulls);
	inserted = pgnet_row_writer_insert(writer, shape_of(row), QUEUE_NCOLUMNS,
									   values, nulls);
	if (inserted)
		*id = DatumGetInt64(pgnet_row_writer_value(writer, QUEUE_ID, &null));
	pgnet_row_writer_end(writer);
	return !null;
}

/* Insert a row by a statement. */
static bool
insert_by_statement(const QueueRow *row, int64 *id)
{
	StatementSession session;
	Datum		values[QUEUE_NCOLUMNS];
	bool		nulls[QUEUE_NCOLUMNS];
	Datum		value;
	bool		null = true;

	pgnet_statement_begin(&session, PGNET_SPI);
	pgnet_queue_row_write(row, values, nulls);
	if (pgnet_insert_statement_run(&session,
								   row->id != 0 ? &insert_row_with_id :
												  &insert_row,
								   "http_request_queue", shape_of(row),
								   QUEUE_NCOLUMNS,
								   "RETURNING id::pg_catalog.int8", values,
								   nulls) == 1)
	{
		value = pgnet_statement_datum(&session, 0, 1, &null);
		*id = DatumGetInt64(value);
	}
	pgnet_statement_end(&session);
	return !null;
}

/* The columns that the INSERT of a row names: the id only if it has one. */
static const ShapeColumn *
shape_of(const QueueRow *row)
{
	static ShapeColumn with_id[QUEUE_NCOLUMNS];

	if (row->id == 0)
		return pgnet_queue_shape;
	memcpy(with_id, pgnet_queue_shape, sizeof(with_id));
	with_id[QUEUE_ID].by_default = false;
	return with_id;
}

int64
pgnet_queue_next_id(void)
{
	CatalogUser caller = pgnet_catalog_become_owner();
	Oid			sequence = pgnet_catalog_relation("http_request_queue_id_seq");
	int64		id;

	if (!OidIsValid(sequence))
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_TABLE),
				errmsg("the sequence of ids of extension \"pg_net\" is missing"));
	id = nextval_internal(sequence, false);
	pgnet_catalog_become(caller);
	return id;
}

/* Ask, in a trigger. */
bool
pgnet_queue_is_inserting(void)
{
	return inserting;
}

void
pgnet_queue_read_init(QueueRead *read, Oid table, size_t max_bytes,
					  MemoryContext parent)
{
	*read = (QueueRead) {
		.table = table,
		.max_bytes = max_bytes,
		.parent = parent,
		.next_due = DT_NOEND,
		.count_after = PG_INT64_MAX
	};
	dlist_init(&read->jobs);
}

void
pgnet_queue_scan(QueueRead *read, int64 from_id, int limit)
{
	Oid			primary_key;
	Relation	queue = pgnet_catalog_open_readable_queue(read->table,
														  &primary_key);
	QueueScan	scan;
	TupleTableSlot *slot;
	Row			row;

	if (queue == NULL)
	{
		scan_by_statement(read, from_id, limit);
		return;
	}
	pgnet_queue_scan_begin(&scan, queue, primary_key, from_id, PG_INT64_MAX);
	while (read->count < limit && (slot = pgnet_queue_scan_next(&scan)) != NULL)
	{
		read_slot(slot, &row);
		take_row(read, &row);
	}
	pgnet_queue_scan_end(&scan);
}

void
pgnet_queue_load(QueueRead *read, int64 *ids, int nids)
{
	Oid			primary_key;
	Relation	queue;
	QueueScan	scan;
	TupleTableSlot *slot;
	Row			row;

	pgnet_ids_sort(ids, nids);
	queue = lie_close(ids, nids) ?
		pgnet_catalog_open_readable_queue(read->table, &primary_key) :
		NULL;
	if (queue == NULL)
	{
		load_by_statement(read, ids, nids);
		return;
	}
	pgnet_queue_scan_begin(&scan, queue, primary_key, ids[0], ids[nids - 1]);
	while ((slot = pgnet_queue_scan_next(&scan)) != NULL)
	{
		read_slot(slot, &row);
		if (pgnet_ids_contain(ids, nids, DatumGetInt64(row.values[QUEUE_ID])))
			take_row(read, &row);
	}
	pgnet_queue_scan_end(&scan);
}

int
pgnet_queue_find_due(DuePlace *place, TimestampTz now, int limit, int64 *ids,
					 int *ngiven_up, TimestampTz *next_due)
{
	Datum		values[4] = {
		TimestampTzGetDatum(now), TimestampTzGetDatum(place->due),
		Int64GetDatum(place->id), Int64GetDatum(limit)
	};
	int			nids = 0;
	StatementSession session;
	int			count;

	*ngiven_up = 0;
	pgnet_statement_begin(&session, PGNET_AS_OWNER);
	count = pgnet_statement_run(&session, &find_due, values, NULL);
	for (int i = 0; i < count; i++)
	{
		*place = (DuePlace) {
			.due = pgnet_statement_int64(&session, i, 2, 0),
			.id = pgnet_statement_int64(&session, i, 1, 0)
		};
		if (pgnet_statement_bool(&session, i, 3, false))
			ids[limit - ++*ngiven_up] = place->id;
		else
			ids[nids++] = place->id;
	}
	*next_due = now;
	if (count < limit)
	{
		*place = (DuePlace) {.due = now, .id = PG_INT64_MAX};
		*next_due = DT_NOEND;
		if (pgnet_statement_run(&session, &find_next_due, values, NULL) > 0)
			*next_due = pgnet_statement_int64(&session, 0, 1, DT_NOEND);
	}
	pgnet_statement_end(&session);
	return nids;
}

/* Together, or else one by one: a trigger may keep some. */
bool
pgnet_queue_remove_given_up(const int64 *ids, int nids, TimestampTz now)
{
	Removal		all = {.ids = ids, .nids = nids, .now = now};
	bool		too_long = false;
	bool		gone = try_remove(&all, &too_long);

	if (gone || nids == 1 || all.removed > 0)
		return gone;
	gone = true;
	for (int i = 0; i < nids && !too_long; i++)
	{
		Removal		one = {.ids = &ids[i], .nids = 1, .now = now};

		gone = try_remove(&one, &too_long) && gone;
	}
	return gone && !too_long;
}

/* Remove rows; false: some are left, *too_long if that took too long. */
static bool
try_remove(Removal *removal, bool *too_long)
{
	ErrorData  *error;

	pgnet_transaction_allow(REMOVE_SECONDS);
	error = pgnet_subtransaction_try(remove_rows, removal,
									 PGNET_SUBTRANSACTION_KEEP);
	if (error == NULL)
		return removal->removed == removal->nids;
	removal->removed = 0;
	*too_long = error->sqlerrcode == ERRCODE_QUERY_CANCELED;
	if (removal->nids == 1)
		ereport(LOG,
				errcode(error->sqlerrcode),
				errmsg("pg_net could not remove request " INT64_FORMAT
					   ", which was given up: %s",
					   removal->ids[0], error->message),
				errdetail("The worker tries it again later."));
	FreeErrorData(error);
	return false;
}

/* SubtransactionWork: remove rows. */
static void
remove_rows(void *arg)
{
	Removal    *removal = arg;
	StatementSession session;
	Datum		values[2] = {
		pgnet_ids_array(removal->ids, removal->nids),
		TimestampTzGetDatum(removal->now)
	};

	pgnet_statement_begin(&session, PGNET_AS_OWNER | PGNET_SPI);
	removal->removed = pgnet_statement_run(&session, &remove_given_up, values,
										   NULL);
	pgnet_statement_end(&session);
}

/* Read rows in order of id, by a statement. */
static void
scan_by_statement(QueueRead *read, int64 from_id, int limit)
{
	Datum		values[2] = {Int64GetDatum(from_id), Int64GetDatum(limit)};
	StatementSession session;
	int			count;

	pgnet_statement_begin(&session, PGNET_AS_OWNER);
	count = pgnet_statement_run(&session, &scan_rows, values, NULL);
	for (int i = 0; i < count; i++)
		take_selected(read, &session, i);
	pgnet_statement_end(&session);
}

/*
 * Read rows by their ids, which are in order, by a statement.  Those that lie
 * close together are found by range, which brings some between, too.
 */
static void
load_by_statement(QueueRead *read, int64 *ids, int nids)
{
	Datum		bounds[2] = {Int64GetDatum(ids[0]),
					   Int64GetDatum(ids[nids - 1])};
	StatementSession session;
	Datum		array;
	int			count;

	pgnet_statement_begin(&session, PGNET_AS_OWNER);
	if (lie_close(ids, nids))
		count = pgnet_statement_run(&session, &load_range, bounds, NULL);
	else
	{
		array = pgnet_ids_array(ids, nids);
		count = pgnet_statement_run(&session, &load_rows, &array, NULL);
	}
	for (int i = 0; i < count; i++)
		if (pgnet_ids_contain(ids, nids,
							  pgnet_statement_int64(&session, i, 1, 0)))
			take_selected(read, &session, i);
	pgnet_statement_end(&session);
}

/* A row that a SELECT gave. */
static void
take_selected(QueueRead *read, const StatementSession *session, int number)
{
	Row			row;

	read_selected(session, number, &row);
	take_row(read, &row);
}

/* Are most ids between the first and the last among them? */
static bool
lie_close(const int64 *ids, int nids)
{
	return (uint64) (ids[nids - 1] - ids[0]) < 2 * (uint64) nids;
}

/* The row of a slot, as long as that holds it. */
static void
read_slot(TupleTableSlot *slot, Row *row)
{
	memcpy(row->values, slot->tts_values, sizeof(Datum) * COL_PLACE);
	memcpy(row->nulls, slot->tts_isnull, sizeof(bool) * COL_PLACE);
	row->values[COL_PLACE] = PointerGetDatum(&slot->tts_tid);
	row->nulls[COL_PLACE] = false;
}

/* A row that a SELECT gave. */
static void
read_selected(const StatementSession *session, int number, Row *row)
{
	heap_deform_tuple(session->found->vals[number], session->found->tupdesc,
					  row->values, row->nulls);
}

/* A row was met: take it if it is to be sent now. */
static void
take_row(QueueRead *read, const Row *row)
{
	read->count++;
	read->last_id = DatumGetInt64(row->values[QUEUE_ID]);
	if (is_due(read, row))
		copy_row(read, row);
}

/* Is a row to be sent now?  If not, note when there is something to do. */
static bool
is_due(QueueRead *read, const Row *row)
{
	bool		gave_up = !row->nulls[QUEUE_GAVE_UP];
	TimestampTz due;

	if (!gave_up && row->nulls[QUEUE_DUE])
		return true;
	due = row->nulls[QUEUE_DUE] ? DT_NOEND :
								  DatumGetTimestampTz(row->values[QUEUE_DUE]);
	if (!gave_up && due <= GetCurrentTimestamp())
		return true;
	read->left_out = true;
	read->next_due = Min(read->next_due, due);
	if (!gave_up && read->last_id > read->count_after)
		read->nscheduled++;
	return false;
}

/* Since when does a row wait to be sent? */
static void
set_waits_since(Job *job, const Row *row)
{
	job->waits_since = row->nulls[QUEUE_QUEUED] ?
		GetCurrentTimestamp() :
		DatumGetTimestampTz(row->values[QUEUE_QUEUED]);
	job->was_due = !row->nulls[QUEUE_DUE];
	if (job->was_due)
		job->waits_since = Max(job->waits_since,
							   DatumGetTimestampTz(row->values[QUEUE_DUE]));
}

/* Make a job of a row: whole, if it is small. */
static void
copy_row(QueueRead *read, const Row *row)
{
	Job		   *job = pgnet_job_create(read->parent);
	MemoryContext before = MemoryContextSwitchTo(job->request.context);
	size_t		url_size = pgnet_queue_column_size(row->values, row->nulls,
												   QUEUE_URL);
	char	   *problem = NULL;

	/* reading the columns may throw: whoever has the list frees it */
	dlist_push_tail(&read->jobs, &job->node);
	job->table = read->table;
	job->id = DatumGetInt64(row->values[QUEUE_ID]);
	job->tid = *(ItemPointer) DatumGetPointer(row->values[COL_PLACE]);
	if (!row->nulls[QUEUE_ROLE])
		job->role = DatumGetObjectId(row->values[QUEUE_ROLE]);
	if (!row->nulls[QUEUE_DEATHS])
		job->deaths = DatumGetInt32(row->values[QUEUE_DEATHS]);
	set_waits_since(job, row);
	if (row->nulls[QUEUE_URL])
		problem = pstrdup("null value in column \"url\"");
	else
		problem = pgnet_url_length_problem(url_size - VARHDRSZ);
	if (problem == NULL)
		job->request.url = TextDatumGetCString(row->values[QUEUE_URL]);
	if (!row->nulls[QUEUE_ORDERING_KEY])
		job->ordering_key =
			TextDatumGetCString(row->values[QUEUE_ORDERING_KEY]);
	job->delivery.keeps_refused = job->request.url != NULL &&
		pgnet_url_is_endpoint(job->request.url);
	job->queue_bytes = pgnet_queue_row_stored_size(row->values, row->nulls);
	job->size = job->queue_bytes - url_size;

	job->loaded = job->size < read->max_bytes;
	if (job->loaded || problem != NULL || job->deaths > 0)
	{
		char	   *other = pgnet_queue_row_read_delivery(&job->delivery,
														  row->values,
														  row->nulls);

		problem = problem ? problem : other;
	}
	if (problem == NULL && job->loaded)
		problem = pgnet_queue_row_read(&job->request, row->values, row->nulls);
	if (problem != NULL)
		pgnet_job_fail(job, problem);
	job->size = Max(job->size,
					MemoryContextMemAllocated(job->request.context, false));
	MemoryContextSwitchTo(before);
}
