/*
 * find.c -- where a request is, and its response.
 *
 * Runs in: client backends, with the rights of the current role.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"

#include "tables/responses/find.h"
#include "tables/statement.h"
#include "tables/subtransaction.h"

static PreparedStatement find_response = {
	.sql = "SELECT r.status_code, r.headers, r.content, r.error_msg"
		   " FROM net._http_response AS r"
		   " WHERE r.id OPERATOR(pg_catalog.=) $1 LIMIT 1",
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
	.sql = "SELECT q.xmin FROM net.http_request_queue AS q"
		   " WHERE q.id OPERATOR(pg_catalog.=) $1",
	.nparams = 1,
	.param_types = {INT8OID}
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
static void copy_response(const StatementSession *session,
						  MemoryContext context, ResponseRow *row);

/*
 * Both tables are read with one snapshot, so a request that is being recorded
 * is seen in one of them.  In two statements: a join of both takes three times
 * as long to start, and mostly the response is there.
 */
RequestState
pgnet_response_find(int64 id, ResponseRow *row)
{
	MemoryContext context = CurrentMemoryContext;
	Datum		value = Int64GetDatum(id);
	StatementSession session;
	RequestState state;

	pgnet_statement_begin(&session, PGNET_SPI | PGNET_LATEST);
	if (pgnet_statement_run(&session, &find_response, &value, NULL) > 0)
	{
		state = PGNET_REQUEST_RECORDED;
		if (row != NULL)
			copy_response(&session, context, row);
	}
	else if (pgnet_statement_run(&session, &find_queued, &value, NULL) > 0)
		state = state_of_queued(&session);
	else
		state = PGNET_REQUEST_UNKNOWN;
	pgnet_statement_end(&session);
	return state;
}

/* The state of a request without a response, by what find_queued found. */
static RequestState
state_of_queued(const StatementSession *session)
{
	bool		null;
	Datum		xmin = pgnet_statement_datum(session, 0, 1, &null);

	return TransactionIdIsCurrentTransactionId(DatumGetTransactionId(xmin)) ?
		PGNET_REQUEST_UNCOMMITTED :
		PGNET_REQUEST_WAITING;
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
