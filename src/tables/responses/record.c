/*
 * record.c -- net._http_response: what became of requests.
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"

#include "tables/catalog.h"
#include "tables/ids.h"
#include "tables/local_setting.h"
#include "tables/queue/row_remover.h"
#include "tables/responses/record.h"
#include "tables/responses/response_row.h"
#include "tables/row_writer.h"
#include "tables/statement.h"
#include "tables/subtransaction.h"

static PreparedStatement insert_response;

/*
 * Without a look into the index; a row that was updated since is not met.  IS
 * TRUE makes the subquery a hash table to look into, and no join: one by id
 * would read all of the queue when the planner takes that for empty.
 */
static PreparedStatement delete_in_place = {
	.sql = "DELETE FROM net.http_request_queue AS q"
		   " WHERE q.ctid OPERATOR(pg_catalog.=) ANY ($1)"
		   " AND (q.id OPERATOR(pg_catalog.=) ANY"
		   " (SELECT pg_catalog.unnest($2))) IS TRUE",
	.nparams = 2,
	.param_types = {TIDARRAYOID, INT8ARRAYOID}
};

static PreparedStatement delete_requests = {
	.sql = "DELETE FROM net.http_request_queue AS q"
		   " WHERE q.id OPERATOR(pg_catalog.=) ANY ($1)",
	.nparams = 1,
	.param_types = {INT8ARRAYOID}
};

static PreparedStatement lock_requests = {
	.sql = "SELECT q.id FROM net.http_request_queue AS q"
		   " WHERE q.id OPERATOR(pg_catalog.=) ANY ($1) FOR UPDATE SKIP LOCKED",
	.nparams = 1,
	.param_types = {INT8ARRAYOID}
};

static PreparedStatement existing_requests = {
	.sql = "SELECT q.id FROM net.http_request_queue AS q"
		   " WHERE q.id OPERATOR(pg_catalog.=) ANY ($1)",
	.nparams = 1,
	.param_types = {INT8ARRAYOID}
};

static PreparedStatement expire_responses = {
	.sql = "DELETE FROM net._http_response AS r"
		   " WHERE r.ctid OPERATOR(pg_catalog.=) ANY (ARRAY("
		   " SELECT old.ctid FROM net._http_response AS old"
		   " WHERE old.created OPERATOR(pg_catalog.<) $1"
		   " ORDER BY old.created LIMIT $2 OFFSET $3 FOR UPDATE SKIP LOCKED))",
	.nparams = 3,
	.param_types = {TIMESTAMPTZOID, INT8OID, INT8OID}
};

static PreparedStatement oldest_response = {
	.sql = "SELECT r.created FROM net._http_response AS r"
		   " ORDER BY r.created LIMIT 1",
};

/* What is recorded in a subtransaction. */
typedef struct Recording
{
	Oid			table;
	Job *const *jobs;
	int			njobs;
	RecordMode	mode;
} Recording;

/* What is removed in one. */
typedef struct Expiring
{
	TimestampTz before;
	int			skip;
	int			limit;
	int			count;
} Expiring;

static void record(void *recording);
static void expire(void *expiring);
static void insert_outcomes(Job *const *jobs, int njobs);
static int	remove_in_place(Job *const *jobs, int njobs, RecordMode mode);
static void remove_requests(Job *const *jobs, int njobs);
static Datum tids_of(Job *const *jobs, int njobs);
static Datum ids_of(Job *const *jobs, int njobs);
static int	count_found(PreparedStatement *statement, Datum ids, int64 **found);

/* Store outcomes and remove their rows. */
void
pgnet_responses_record(Oid table, Job *const *jobs, int njobs,
					   RecordMode mode)
{
	CatalogUser before = pgnet_catalog_become_owner();
	Job		  **current = palloc(sizeof(Job *) * njobs);
	int			ncurrent = 0;
	int			level = 0;
	int			removed = 0;

	for (int i = 0; i < njobs; i++)
		if (jobs[i]->table == table)
			current[ncurrent++] = jobs[i];

	if (mode != PGNET_RECORD_NORMAL)
		level = pgnet_local_setting_begin("session_replication_role",
										  "replica");
	if (mode != PGNET_RECORD_REMOVE_ONLY && ncurrent > 0)
	{
		insert_outcomes(current, ncurrent);
		removed = remove_in_place(current, ncurrent, mode);
	}
	if (removed < ncurrent)
		remove_requests(current, ncurrent);
	if (mode != PGNET_RECORD_NORMAL)
		pgnet_local_setting_end(level);
	pgnet_catalog_become(before);
}

/* Try to. */
ErrorData *
pgnet_responses_try_record(Oid table, Job *const *jobs,
						   int njobs, RecordMode mode)
{
	Recording	recording = {
		.table = table,
		.jobs = jobs,
		.njobs = njobs,
		.mode = mode
	};

	return pgnet_subtransaction_try(record, &recording,
									PGNET_SUBTRANSACTION_KEEP);
}

/* SubtransactionWork of pgnet_responses_try_record(). */
static void
record(void *arg)
{
	Recording  *recording = arg;

	/* what the rows are made of goes with the session of SPI */
	pgnet_plans_connect();
	pgnet_responses_record(recording->table, recording->jobs,
						   recording->njobs, recording->mode);
	pgnet_plans_finish();
}

/* Find out which rows nobody else holds. */
int
pgnet_responses_recordable(Job **jobs, int njobs)
{
	CatalogUser before = pgnet_catalog_become_owner();
	Datum		ids = ids_of(jobs, njobs);
	int64	   *locked;
	int64	   *existing;
	int			nlocked = count_found(&lock_requests, ids, &locked);
	int			nexisting = count_found(&existing_requests, ids, &existing);
	int			front = 0;

	pgnet_catalog_become(before);
	for (int i = 0; i < njobs; i++)
	{
		Job		   *job = jobs[i];

		/* a row that is gone altogether is in nobody's hands either */
		if (pgnet_ids_contain(existing, nexisting, job->id) &&
			!pgnet_ids_contain(locked, nlocked, job->id))
			continue;
		jobs[i] = jobs[front];
		jobs[front++] = job;
	}
	return front;
}

/* Try to remove old responses. */
ErrorData *
pgnet_responses_try_expire(TimestampTz before, int skip, int limit, int *count)
{
	Expiring	expiring = {.before = before, .skip = skip, .limit = limit};
	ErrorData  *error = pgnet_subtransaction_try(expire, &expiring,
												 PGNET_SUBTRANSACTION_KEEP);

	*count = expiring.count;
	return error;
}

/* SubtransactionWork of pgnet_responses_try_expire(). */
static void
expire(void *arg)
{
	Expiring   *expiring = arg;
	CatalogUser user = pgnet_catalog_become_owner();
	Datum		values[] = {
		TimestampTzGetDatum(expiring->before),
		Int64GetDatum(expiring->limit),
		Int64GetDatum(expiring->skip)
	};

	pgnet_plans_connect();
	pgnet_plan_run(&expire_responses, values, NULL, SPI_OK_DELETE);
	expiring->count = (int) SPI_processed;
	pgnet_plans_finish();
	pgnet_catalog_become(user);
}

/* Find the oldest response. */
bool
pgnet_responses_oldest(TimestampTz *created)
{
	CatalogUser user = pgnet_catalog_become_owner();
	bool		null = true;

	pgnet_plan_run(&oldest_response, NULL, NULL, SPI_OK_SELECT);
	if (SPI_processed == 1)
	{
		Datum		value = SPI_getbinval(SPI_tuptable->vals[0],
										  SPI_tuptable->tupdesc, 1, &null);

		if (!null)
			*created = DatumGetTimestampTz(value);
	}
	pgnet_catalog_become(user);
	return !null;
}

/* Insert a response row for each job. */
static void
insert_outcomes(Job *const *jobs, int njobs)
{
	TableTraits traits;
	Relation	log = pgnet_catalog_open_writable_log(&traits);
	RowWriter  *writer = log ? pgnet_row_writer_begin(log, &traits) : NULL;
	OutcomeRows rows;

	pgnet_outcome_rows_init(&rows);
	pgnet_shape_prepare_insert(&insert_response, "_http_response",
							   pgnet_outcome_rows_shape, RESPONSE_COLUMNS, "");
	for (int i = 0; i < njobs; i++)
	{
		pgnet_outcome_rows_fill(&rows, jobs[i]);
		if (writer != NULL)
			(void) pgnet_row_writer_insert(writer, pgnet_outcome_rows_shape,
										   RESPONSE_COLUMNS, rows.values,
										   rows.nulls);
		else
			pgnet_shape_run_insert(&insert_response, pgnet_outcome_rows_shape,
								   RESPONSE_COLUMNS, rows.values, rows.nulls,
								   SPI_OK_INSERT);
	}
	if (log == NULL)
		return;
	pgnet_row_writer_end(writer);
	table_close(log, NoLock);
}

/*
 * Remove the rows that are where they were; how many.  In a mode for tables
 * with triggers by SQL, which minds the mode.
 */
static int
remove_in_place(Job *const *jobs, int njobs, RecordMode mode)
{
	Relation	queue = NULL;
	Datum		values[2];
	int			removed;

	if (mode == PGNET_RECORD_NORMAL)
		queue = pgnet_catalog_open_removable_queue();
	if (queue != NULL)
	{
		removed = pgnet_queue_rows_remove(queue, jobs, njobs);
		table_close(queue, NoLock);
		return removed;
	}
	values[0] = tids_of(jobs, njobs);
	values[1] = ids_of(jobs, njobs);
	pgnet_plan_run(&delete_in_place, values, NULL, SPI_OK_DELETE);
	return (int) SPI_processed;
}

/*
 * Remove the requests' rows wherever they are.  Users may have deleted some,
 * but a trigger that keeps one would have its request sent again.
 */
static void
remove_requests(Job *const *jobs, int njobs)
{
	Datum		ids = ids_of(jobs, njobs);
	int64	   *left;

	pgnet_plan_run(&delete_requests, &ids, NULL, SPI_OK_DELETE);
	if (SPI_processed < (uint64) njobs &&
		count_found(&existing_requests, ids, &left) > 0)
		ereport(ERROR,
				errcode(ERRCODE_TRIGGERED_ACTION_EXCEPTION),
				errmsg("a trigger or rule keeps request " INT64_FORMAT
					   " in net.http_request_queue",
					   left[0]));
}

/* Where the rows of requests were, as a tid[]. */
static Datum
tids_of(Job *const *jobs, int njobs)
{
	Datum	   *places = palloc(sizeof(Datum) * njobs);

	for (int i = 0; i < njobs; i++)
		places[i] = PointerGetDatum(&jobs[i]->tid);
	return PointerGetDatum(construct_array(places, njobs, TIDOID,
										   sizeof(ItemPointerData), false,
										   TYPALIGN_SHORT));
}

/* The ids of requests as a bigint[]. */
static Datum
ids_of(Job *const *jobs, int njobs)
{
	int64	   *ids = palloc(sizeof(int64) * njobs);

	for (int i = 0; i < njobs; i++)
		ids[i] = jobs[i]->id;
	return pgnet_ids_array(ids, njobs);
}

/* Run a SELECT of ids; how many, sorted in *found. */
static int
count_found(PreparedStatement *statement, Datum ids, int64 **found)
{
	int			count;
	bool		null;

	pgnet_plan_run(statement, &ids, NULL, SPI_OK_SELECT);
	count = (int) SPI_processed;
	*found = palloc(sizeof(int64) * Max(count, 1));
	for (int i = 0; i < count; i++)
		(*found)[i] = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[i],
												  SPI_tuptable->tupdesc, 1,
												  &null));
	pgnet_ids_sort(*found, count);
	return count;
}
