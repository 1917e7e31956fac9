/*
 * find.c -- where a request is, and its response.
 *
 * Runs in: client backends, with the rights of the current role.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

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

/* What pgnet_response_find() takes and gives. */
typedef struct Search
{
	int64		id;
	ResponseRow *row;
	RequestState state;
} Search;

static void find(void *arg);
static RequestState state_of_queued(void);
static void copy_response(ResponseRow *row);
static Datum found_column(int number, bool *null);

/*
 * Find a request.  Both tables are read with one snapshot, so a request that
 * is being recorded is seen on one side or the other.  In two statements:
 * whoever waits wants to know of the response as soon as it is there, and a
 * join of both takes three times as long to begin.
 */
RequestState
pgnet_response_find(int64 id, ResponseRow *row)
{
	MemoryContext caller_context = CurrentMemoryContext;
	Datum		values[1] = {Int64GetDatum(id)};
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	RequestState state;

	pgnet_plans_connect();
	pgnet_plan_run_as_of(&find_response, values, snapshot);
	if (SPI_processed > 0)
	{
		state = PGNET_REQUEST_RECORDED;
		MemoryContextSwitchTo(caller_context);
		if (row != NULL)
			copy_response(row);
	}
	else
	{
		pgnet_plan_run_as_of(&find_queued, values, snapshot);
		state = state_of_queued();
	}
	pgnet_plans_finish();
	MemoryContextSwitchTo(caller_context);
	UnregisterSnapshot(snapshot);
	return state;
}

/* The state of a request without a response, by what find_queued found. */
static RequestState
state_of_queued(void)
{
	TransactionId xmin;
	bool		null;

	if (SPI_processed == 0)
		return PGNET_REQUEST_UNKNOWN;
	xmin = DatumGetTransactionId(found_column(1, &null));
	return TransactionIdIsCurrentTransactionId(xmin) ?
		PGNET_REQUEST_UNCOMMITTED :
		PGNET_REQUEST_WAITING;
}

/* Copy what find_response found. */
static void
copy_response(ResponseRow *row)
{
	bool		null;
	Datum		value;

	value = found_column(FOUND_STATUS_CODE, &null);
	row->status_code = null ? -1 : DatumGetInt32(value);
	value = found_column(FOUND_HEADERS, &null);
	row->headers = null ? NULL : DatumGetJsonbPCopy(value);
	value = found_column(FOUND_CONTENT, &null);
	row->content = null ? NULL : DatumGetTextPCopy(value);
	value = found_column(FOUND_ERROR_MSG, &null);
	row->error = null ? NULL : TextDatumGetCString(value);
}

/*
 * Find a request in a subtransaction that is rolled back, and with it the
 * locks.  While somebody waits for a response, DDL must not wait for the
 * waiter, and the worker then for the DDL.
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

/* A column of the single row the last SELECT gave. */
static Datum
found_column(int number, bool *null)
{
	return SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, number,
						 null);
}
