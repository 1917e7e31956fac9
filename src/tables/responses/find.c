/*
 * find.c -- where a request is, and its response.
 *
 * Runs in: client backends, with the rights of the current role.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#include "endpoint_url.h"
#include "tables/policy/endpoints.h"
#include "tables/queue/attempt_log.h"
#include "tables/responses/find.h"
#include "tables/statement.h"
#include "tables/subtransaction.h"

static PreparedStatement find_response = {
	.sql = "SELECT r.status_code, r.headers, r.content, r.error_msg"
		   " FROM ONLY net._http_response AS r"
		   " WHERE r.id OPERATOR(pg_catalog.=) $1"
		   " ORDER BY r.created DESC LIMIT 1",
	.nparams = 1,
	.param_types = {INT8OID}
};

/* The columns of find_response, in order. */
enum
{
	FOUND_STATUS_CODE = 1,
	FOUND_HEADERS,
	FOUND_CONTENT,
	FOUND_ERROR_MSG
};

static PreparedStatement find_queued = {
	.sql = "SELECT q.xmin, q.due, q.gave_up IS NOT NULL, q.retry, q.failures,"
		   " q.url"
		   " FROM ONLY net.http_request_queue AS q"
		   " WHERE q.id OPERATOR(pg_catalog.=) $1",
	.nparams = 1,
	.param_types = {INT8OID}
};

/* The columns of find_queued, in order. */
enum
{
	QUEUED_XMIN = 1,
	QUEUED_DUE,
	QUEUED_GAVE_UP,
	QUEUED_RETRY,
	QUEUED_FAILURES,
	QUEUED_URL
};

/* Arguments and result of pgnet_response_find(). */
typedef struct Search
{
	int64		id;
	ResponseRow *row;
	RequestState state;
} Search;

static void find(void *arg);
static RequestState state_of_queued(const StatementSession *session);
static void describe_queued(const StatementSession *session,
							RequestState state, MemoryContext context,
							ResponseRow *row);
static int	count_attempts(const StatementSession *session);
static char *time_text(Datum time);
static void copy_response(const StatementSession *session,
						  MemoryContext context, ResponseRow *row);

/*
 * Both tables are read with one snapshot, so a request that is being recorded
 * is seen in one of them.  The queue comes first: a row there may be sent
 * again, unless it was given up.  In two statements: a join of both takes three
 * times as long to start.
 */
RequestState
pgnet_response_find(int64 id, ResponseRow *row)
{
	MemoryContext context = CurrentMemoryContext;
	Datum		value = Int64GetDatum(id);
	StatementSession session;
	RequestState state = PGNET_REQUEST_UNKNOWN;

	pgnet_statement_begin(&session, PGNET_SPI | PGNET_LATEST);
	if (pgnet_statement_run(&session, &find_queued, &value, NULL) > 0)
	{
		state = state_of_queued(&session);
		if (row != NULL)
			describe_queued(&session, state, context, row);
	}
	/* the response of what was given up has its own words */
	if (pgnet_request_is_over(state) &&
		pgnet_statement_run(&session, &find_response, &value, NULL) > 0)
	{
		state = PGNET_REQUEST_RECORDED;
		if (row != NULL)
			copy_response(&session, context, row);
	}
	pgnet_statement_end(&session);
	return state;
}

/* The state of a request without a response, by what find_queued found. */
static RequestState
state_of_queued(const StatementSession *session)
{
	bool		null;
	Datum		xmin = pgnet_statement_datum(session, 0, QUEUED_XMIN, &null);
	TimestampTz due = pgnet_statement_int64(session, 0, QUEUED_DUE, DT_NOBEGIN);

	if (TransactionIdIsCurrentTransactionId(DatumGetTransactionId(xmin)))
		return PGNET_REQUEST_UNCOMMITTED;
	if (pgnet_statement_bool(session, 0, QUEUED_GAVE_UP, false))
		return PGNET_REQUEST_GAVE_UP;
	return due > GetCurrentTimestamp() ? PGNET_REQUEST_SCHEDULED :
										 PGNET_REQUEST_WAITING;
}

/* Say what a request waits for, or why it was given up. */
static void
describe_queued(const StatementSession *session, RequestState state,
				MemoryContext context, ResponseRow *row)
{
	MemoryContext before = MemoryContextSwitchTo(context);
	bool		null;
	Datum		due = pgnet_statement_datum(session, 0, QUEUED_DUE, &null);
	Datum		failures;
	AttemptLogSummary log;

	*row = (ResponseRow) {.status_code = -1};
	failures = pgnet_statement_datum(session, 0, QUEUED_FAILURES, &null);
	log = pgnet_attempt_log_summary(null ? NULL : DatumGetJsonbP(failures));
	if (state == PGNET_REQUEST_GAVE_UP)
		row->error = pgnet_gave_up_message(log.sent, log.reason);
	else if (state == PGNET_REQUEST_SCHEDULED && log.failed == 0)
		row->error = psprintf("scheduled for %s", time_text(due));
	else if (state == PGNET_REQUEST_SCHEDULED)
		row->error = psprintf("attempt %d of %d at %s: %s", log.failed + 1,
							  count_attempts(session), time_text(due),
							  log.reason ? log.reason : "failed");
	MemoryContextSwitchTo(before);
}

/* How many attempts the schedule has. */
static int
count_attempts(const StatementSession *session)
{
	bool		null;
	Datum		retry = pgnet_statement_datum(session, 0, QUEUED_RETRY, &null);
	ArrayType  *array = null ? NULL : DatumGetArrayTypeP(retry);
	char	   *url = pgnet_statement_text(session, 0, QUEUED_URL);

	if (array != NULL)
		return 1 + ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	if (url == NULL || !pgnet_url_is_endpoint(url))
		return 1;
	return 1 + pgnet_endpoints_count_delays(url);
}

/* A time as the session shows it. */
static char *
time_text(Datum time)
{
	return DatumGetCString(DirectFunctionCall1(timestamptz_out, time));
}

/* Copy what find_response found. */
static void
copy_response(const StatementSession *session, MemoryContext context,
			  ResponseRow *row)
{
	MemoryContext before = MemoryContextSwitchTo(context);
	bool		null;
	Datum		value;

	row->status_code = pgnet_statement_int32(session, 0, FOUND_STATUS_CODE, -1);
	value = pgnet_statement_datum(session, 0, FOUND_HEADERS, &null);
	row->headers = null ? NULL : DatumGetJsonbPCopy(value);
	value = pgnet_statement_datum(session, 0, FOUND_CONTENT, &null);
	row->content = null ? NULL : DatumGetTextPCopy(value);
	row->error = pgnet_statement_text(session, 0, FOUND_ERROR_MSG);
	MemoryContextSwitchTo(before);
}

/*
 * In a subtransaction that is rolled back, which releases its locks: while a
 * caller waits for a response, DDL must not wait for the caller, because the
 * worker would wait for the DDL.
 */
RequestState
pgnet_response_peek(int64 id, ResponseRow *row)
{
	Search		search = {.id = id, .row = row};

	pgnet_subtransaction_run(find, &search, PGNET_SUBTRANSACTION_ROLL_BACK);
	return search.state;
}

/* SubtransactionWork: find a request. */
static void
find(void *arg)
{
	Search	   *search = arg;

	search->state = pgnet_response_find(search->id, search->row);
}

void
pgnet_response_refuse_uncommitted(int64 id)
{
	ereport(ERROR,
			errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			errmsg("request " INT64_FORMAT " was queued by this transaction and will be sent after it commits",
				   id),
			errhint("Wait for the response in another transaction."));
}
