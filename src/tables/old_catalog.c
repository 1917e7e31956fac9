/*
 * old_catalog.c -- the tables as pg_net 0.20 made them.
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "tables/catalog.h"
#include "tables/local_setting.h"
#include "tables/old_catalog.h"
#include "tables/queue/queue_row.h"
#include "tables/responses/response_row.h"
#include "tables/statement.h"
#include "tables/subtransaction.h"
#include "url.h"
#include "url_target.h"

/* The columns that both tables have had since then are the first ones. */
#define OLD_QUEUE_COLUMNS (QUEUE_TIMEOUT + 1)
#define OLD_RESPONSE_COLUMNS (RESPONSE_ERROR_MSG + 1)

static PreparedStatement find_version = {
	.sql = "SELECT e.extversion FROM pg_catalog.pg_extension AS e"
		   " WHERE e.extname OPERATOR(pg_catalog.=) 'pg_net'",
};

static PreparedStatement find_update = {
	.sql = "SELECT FROM pg_catalog.pg_extension AS e,"
		   " pg_catalog.pg_extension_update_paths('pg_net') AS p"
		   " WHERE e.extname OPERATOR(pg_catalog.=) 'pg_net'"
		   " AND p.source OPERATOR(pg_catalog.=) e.extversion"
		   " AND p.target OPERATOR(pg_catalog.=) '" PGNET_VERSION "'"
		   " AND p.path IS NOT NULL",
};

/* There is no index. */
static PreparedStatement read_rows = {
	.sql = "SELECT q.id, q.method::pg_catalog.text, q.url, q.headers, q.body,"
		   " q.timeout_milliseconds, q.ctid"
		   " FROM ONLY net.http_request_queue AS q"
		   " WHERE q.id OPERATOR(pg_catalog.>) $1 ORDER BY q.id LIMIT $2",
	.nparams = 2,
	.param_types = {INT8OID, INT8OID}
};

static PreparedStatement insert_response = {
	.sql = "INSERT INTO net._http_response (id, status_code, content_type,"
		   " headers, content, timed_out, error_msg)"
		   " VALUES ($1, $2, $3, $4, $5, $6, $7)",
	.nparams = OLD_RESPONSE_COLUMNS,
	.param_types = {INT8OID, INT4OID, TEXTOID, JSONBOID, TEXTOID, BOOLOID,
					TEXTOID}
};

/* The tables were updated meanwhile; the role is not known, as for others. */
static PreparedStatement insert_updated = {
	.sql = "INSERT INTO net._http_response (id, status_code, content_type,"
		   " headers, content, timed_out, error_msg, role)"
		   " VALUES ($1, $2, $3, $4, $5, $6, $7, NULL)",
	.nparams = OLD_RESPONSE_COLUMNS,
	.param_types = {INT8OID, INT4OID, TEXTOID, JSONBOID, TEXTOID, BOOLOID,
					TEXTOID}
};

/* A row that was changed is another request. */
static PreparedStatement delete_row = {
	.sql = "DELETE FROM ONLY net.http_request_queue AS q"
		   " WHERE q.ctid OPERATOR(pg_catalog.=) $1"
		   " AND q.id OPERATOR(pg_catalog.=) $2",
	.nparams = 2,
	.param_types = {TIDOID, INT8OID}
};

static PreparedStatement expire_responses = {
	.sql = "DELETE FROM ONLY net._http_response AS r"
		   " WHERE r.created OPERATOR(pg_catalog.<) $1",
	.nparams = 1,
	.param_types = {TIMESTAMPTZOID}
};

static bool is_updated(void);
static Job *read_job(const StatementSession *session, int number,
					 MemoryContext parent);
static void insert(void *job);
static void delete (void *job);
static void say_not_stored(const Job *job, const ErrorData *error);

bool
pgnet_old_catalog_has_update(void)
{
	StatementSession session;
	bool		found;

	pgnet_statement_begin(&session, 0);
	found = pgnet_statement_run(&session, &find_update, NULL, NULL) > 0;
	pgnet_statement_end(&session);
	return found;
}

char *
pgnet_old_catalog_version(void)
{
	MemoryContext context = CurrentMemoryContext;
	StatementSession session;
	char	   *version = NULL;

	if (!OidIsValid(get_extension_oid("pg_net", true)) ||
		!OidIsValid(pgnet_catalog_relation("http_request_queue")) ||
		!OidIsValid(pgnet_catalog_relation("_http_response")) || is_updated())
		return NULL;
	pgnet_statement_begin(&session, 0);
	if (pgnet_statement_run(&session, &find_version, NULL, NULL) > 0)
	{
		MemoryContextSwitchTo(context);
		version = pgnet_statement_text(&session, 0, 1);
	}
	pgnet_statement_end(&session);
	return version;
}

/* Is there what came with ours? */
static bool
is_updated(void)
{
	return OidIsValid(pgnet_catalog_relation("access_rule"));
}

bool
pgnet_old_catalog_lock(const char *search_path)
{
	Oid			queue = pgnet_catalog_relation("http_request_queue");
	Oid			responses = pgnet_catalog_relation("_http_response");

	if (!OidIsValid(queue) || !OidIsValid(responses) ||
		!ConditionalLockRelationOid(queue, RowExclusiveLock) ||
		!ConditionalLockRelationOid(responses, RowExclusiveLock) ||
		pgnet_catalog_relation("http_request_queue") != queue ||
		pgnet_catalog_relation("_http_response") != responses)
		return false;
	pgnet_catalog_become_owner_of(queue);
	(void) pgnet_local_setting_begin("search_path", search_path);
	return true;
}

int
pgnet_old_queue_read(int64 after, int limit, MemoryContext parent,
					 dlist_head *jobs, int64 *last_id)
{
	Datum		values[] = {Int64GetDatum(after), Int64GetDatum(limit)};
	StatementSession session;
	int			count;

	pgnet_statement_begin(&session, 0);
	count = pgnet_statement_run(&session, &read_rows, values, NULL);
	for (int i = 0; i < count; i++)
	{
		Job		   *job = read_job(&session, i, parent);

		dlist_push_tail(jobs, &job->node);
		*last_id = job->id;
	}
	pgnet_statement_end(&session);
	return count;
}

static Job *
read_job(const StatementSession *session, int number, MemoryContext parent)
{
	Job		   *job = pgnet_job_create(parent);
	MemoryContext before = MemoryContextSwitchTo(job->request.context);
	Datum		values[QUEUE_NCOLUMNS];
	bool		nulls[QUEUE_NCOLUMNS];
	char	   *problem;
	bool		null;
	Datum		place;

	memset(nulls, true, sizeof(nulls));
	for (int i = 0; i < OLD_QUEUE_COLUMNS; i++)
		values[i] = pgnet_statement_datum(session, number, i + 1, &nulls[i]);
	place = pgnet_statement_datum(session, number, OLD_QUEUE_COLUMNS + 1,
								  &null);
	job->table = pgnet_catalog_relation("http_request_queue");
	job->tid = *(ItemPointer) DatumGetPointer(place);
	job->id = DatumGetInt64(values[QUEUE_ID]);
	job->request.url = TextDatumGetCString(values[QUEUE_URL]);
	job->lane_key = pgnet_url_host_key(job->request.url);
	job->loaded = true;
	job->size = job->queue_bytes = pgnet_queue_row_stored_size(values, nulls);
	problem = pgnet_url_length_problem(strlen(job->request.url));
	if (problem == NULL)
		problem = pgnet_url_scheme_problem(job->request.url);
	if (problem == NULL)
		problem = pgnet_queue_row_read(&job->request, values, nulls);
	if (problem != NULL)
		pgnet_job_fail(job, problem);
	MemoryContextSwitchTo(before);
	return job;
}

void
pgnet_old_response_store(const Job *job)
{
	ErrorData  *error = pgnet_subtransaction_try(insert, unconstify(Job *, job),
												 PGNET_SUBTRANSACTION_KEEP);

	if (error != NULL)
		say_not_stored(job, error);
	error = pgnet_subtransaction_try(delete, unconstify(Job *, job),
									 PGNET_SUBTRANSACTION_KEEP);
	if (error != NULL)
		ReThrowError(error);
}

/* SubtransactionWork: insert the response. */
static void
insert(void *arg)
{
	OutcomeRows row;
	char		nulls[OLD_RESPONSE_COLUMNS];
	StatementSession session;

	pgnet_outcome_rows_init(&row);
	pgnet_outcome_rows_fill(&row, arg);
	for (int i = 0; i < OLD_RESPONSE_COLUMNS; i++)
		nulls[i] = row.nulls[i] ? 'n' : ' ';
	pgnet_statement_begin(&session, PGNET_SPI);
	(void) pgnet_statement_run(&session,
							   is_updated() ? &insert_updated :
											  &insert_response,
							   row.values, nulls);
	pgnet_statement_end(&session);
}

/* SubtransactionWork: remove the row of the request. */
static void delete (void *arg)
{
	Job		   *job = arg;
	Datum		values[] = {PointerGetDatum(&job->tid),
					  Int64GetDatum(job->id)};
	StatementSession session;

	pgnet_statement_begin(&session, PGNET_SPI);
	(void) pgnet_statement_run(&session, &delete_row, values, NULL);
	pgnet_statement_end(&session);
}

static void
say_not_stored(const Job *job, const ErrorData *error)
{
	ereport(WARNING,
			errcode(error->sqlerrcode),
			errmsg("pg_net could not store the response to request " INT64_FORMAT
				   ": %s",
				   job->id, error->message),
			error->context ? errcontext("%s", error->context) : 0);
}

void
pgnet_old_responses_expire(int64 ttl_us)
{
	Datum		value = TimestampTzGetDatum(GetCurrentTimestamp() - ttl_us);
	StatementSession session;

	pgnet_statement_begin(&session, 0);
	(void) pgnet_statement_run(&session, &expire_responses, &value, NULL);
	pgnet_statement_end(&session);
}
