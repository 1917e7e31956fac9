/*
 * response_log.c -- net._http_response: what became of requests.
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
#include "tables/outcome_rows.h"
#include "tables/plans.h"
#include "tables/response_log.h"
#include "tables/subtransaction.h"

static PreparedStatement insert_responses = {
	.sql = "INSERT INTO net._http_response"
		   " (id, status_code, content_type, headers, content, timed_out,"
		   " error_msg, content_bytes, role, method, url, final_url, attempts,"
		   " started, duration_ms, dns_ms, connect_ms, tls_ms, first_byte_ms,"
		   " request_bytes, response_bytes, http_version, remote_address,"
		   " remote_port)"
		   " SELECT o.id, o.status_code, o.content_type, o.headers, o.content,"
		   " o.timed_out, o.error_msg, o.content_bytes, o.role, o.method,"
		   " o.url, o.final_url, o.attempts, o.started, o.duration_ms,"
		   " o.dns_ms, o.connect_ms, o.tls_ms, o.first_byte_ms,"
		   " o.request_bytes, o.response_bytes, o.http_version,"
		   " o.remote_address, o.remote_port"
		   " FROM " PGNET_OUTCOME_ROWS " AS o",
};

/*
 * Without a look into the index; a row that was updated since is not met.  IS
 * TRUE makes the subquery a hash table to look into, and no join: one by id
 * would read all of the queue when the planner takes that for empty.
 */
static PreparedStatement delete_in_place = {
	.sql = "DELETE FROM net.http_request_queue AS q"
		   " WHERE q.ctid OPERATOR(pg_catalog.=) ANY ($1)"
		   " AND (q.id OPERATOR(pg_catalog.=) ANY"
		   " (SELECT o.id FROM " PGNET_OUTCOME_ROWS " AS o)) IS TRUE",
	.nparams = 1,
	.param_types = {TIDARRAYOID}
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
static int	insert_outcomes(Job *const *jobs, int njobs,
							RecordMode mode);
static int	remove_in_place(Job *const *jobs, int njobs);
static void remove_requests(Job *const *jobs, int njobs);
static Datum places_of(Job *const *jobs, int njobs);
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
		removed = insert_outcomes(current, ncurrent, mode);
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

/*
 * Insert one response row for each request, and remove the requests' rows that
 * are where they were; how many.  Without the executor where nothing needs it,
 * which it would in a mode for tables with triggers.
 */
static int
insert_outcomes(Job *const *jobs, int njobs, RecordMode mode)
{
	Relation	queue = NULL;
	Relation	log = NULL;
	PlainLog	plain;
	int			removed;

	if (mode == PGNET_RECORD_NORMAL)
		pgnet_catalog_open_plain_tables(&queue, &log, &plain);
	if (queue == NULL || log == NULL)
		pgnet_outcome_rows_register(jobs, njobs);

	if (log != NULL)
		pgnet_plain_log_insert(log, &plain, jobs, njobs);
	else
		pgnet_plan_run(&insert_responses, NULL, NULL, SPI_OK_INSERT);
	removed = queue ? pgnet_plain_queue_remove(queue, jobs, njobs) :
					  remove_in_place(jobs, njobs);

	if (queue == NULL || log == NULL)
		pgnet_outcome_rows_unregister();
	if (queue != NULL)
		table_close(queue, NoLock);
	if (log != NULL)
		table_close(log, NoLock);
	return removed;
}

/* Remove the rows that are where they were, by SQL. */
static int
remove_in_place(Job *const *jobs, int njobs)
{
	Datum		places = places_of(jobs, njobs);

	pgnet_plan_run(&delete_in_place, &places, NULL, SPI_OK_DELETE);
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
places_of(Job *const *jobs, int njobs)
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
