/*
 * response_find.c -- where a request is, and its response.
 *
 * Runs in: client backends, with the rights of the current role.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/resowner.h"

#include "tables/plans.h"
#include "tables/response_find.h"

static PreparedStatement find_response = {
	.sql = "SELECT r.id, r.status_code, r.headers, r.content, r.error_msg,"
		   " q.xmin"
		   " FROM (VALUES ($1)) AS wanted (id)"
		   " LEFT JOIN net._http_response AS r"
		   " ON r.id OPERATOR(pg_catalog.=) wanted.id"
		   " LEFT JOIN net.http_request_queue AS q"
		   " ON q.id OPERATOR(pg_catalog.=) wanted.id"
		   " LIMIT 1",
	.nparams = 1,
	.param_types = {INT8OID}
};

/* The columns of find_response, in order. */
enum
{
	FOUND_ID = 1,
	FOUND_STATUS_CODE,
	FOUND_HEADERS,
	FOUND_CONTENT,
	FOUND_ERROR_MSG,
	FOUND_QUEUE_XMIN
};

static Datum found_column(int number, bool *null);

/*
 * Find a request.  Both tables are read with one snapshot, so a request that
 * is being recorded is seen on one side or the other.
 */
RequestState
pgnet_response_find(int64 id, ResponseRow *row)
{
	MemoryContext caller_context = CurrentMemoryContext;
	Datum		values[1] = {Int64GetDatum(id)};
	RequestState state;
	TransactionId xmin;
	bool		null;
	Datum		value;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	pgnet_plan_run_latest(&find_response, values);
	found_column(FOUND_ID, &null);
	if (!null)
	{
		state = PGNET_REQUEST_RECORDED;
		value = found_column(FOUND_STATUS_CODE, &null);
		row->status_code = null ? -1 : DatumGetInt32(value);
		MemoryContextSwitchTo(caller_context);
		value = found_column(FOUND_HEADERS, &null);
		row->headers = null ? NULL : DatumGetJsonbPCopy(value);
		value = found_column(FOUND_CONTENT, &null);
		row->content = null ? NULL : DatumGetTextPCopy(value);
		value = found_column(FOUND_ERROR_MSG, &null);
		row->error = null ? NULL : TextDatumGetCString(value);
	}
	else
	{
		value = found_column(FOUND_QUEUE_XMIN, &null);
		xmin = null ? InvalidTransactionId : DatumGetTransactionId(value);
		if (null)
			state = PGNET_REQUEST_UNKNOWN;
		else if (TransactionIdIsCurrentTransactionId(xmin))
			state = PGNET_REQUEST_UNCOMMITTED;
		else
			state = PGNET_REQUEST_WAITING;
	}
	SPI_finish();
	MemoryContextSwitchTo(caller_context);
	return state;
}

/*
 * Find a request in a subtransaction that is rolled back, and with it the
 * locks.  While somebody waits for a response, DDL must not wait for the
 * waiter, and the worker then for the DDL.
 */
RequestState
pgnet_response_peek(int64 id, ResponseRow *row)
{
	MemoryContext caller_context = CurrentMemoryContext;
	ResourceOwner caller_owner = CurrentResourceOwner;
	RequestState state;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(caller_context);
	state = pgnet_response_find(id, row);
	RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(caller_context);
	CurrentResourceOwner = caller_owner;
	return state;
}

/* A column of the single row the last SELECT gave. */
static Datum
found_column(int number, bool *null)
{
	return SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, number,
						 null);
}
