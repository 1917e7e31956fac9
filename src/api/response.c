/*
 * response.c -- asking for, and waiting for, the response of a request.
 *
 * Runs in: client backends, with the rights of the caller: row security lets
 * a role see its own requests.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/typcache.h"

#include "api/change.h"
#include "api/support.h"
#include "tables/responses/find.h"

/* The attributes of net.http_response_result and net.http_response. */
enum
{
	RESULT_STATUS,
	RESULT_MESSAGE,
	RESULT_RESPONSE,
	RESULT_NATTS
};
enum
{
	RESPONSE_STATUS_CODE,
	RESPONSE_HEADERS,
	RESPONSE_BODY,
	RESPONSE_NATTS
};

PG_FUNCTION_INFO_V1(pgnet_await_response);
PG_FUNCTION_INFO_V1(pgnet_collect_response);
PG_FUNCTION_INFO_V1(pgnet_collect_response_deprecated);

static Datum collect(FunctionCallInfo fcinfo);
static RequestState await(int64 id, ResponseRow *row);
static Datum form_result(FunctionCallInfo fcinfo, const char *status,
						 const char *message, const ResponseRow *row);
static Datum form_response(Oid type, const ResponseRow *row);
static Datum enum_datum(Oid type, const char *label);

/*
 * _await_response(request_id): true once the response is there, false when
 * there is no such request.
 */
Datum
pgnet_await_response(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		PG_RETURN_BOOL(false);
	pgnet_require_readable(fcinfo);
	PG_RETURN_BOOL(await(PG_GETARG_INT64(0), NULL) == PGNET_REQUEST_RECORDED);
}

/* _http_collect_response(request_id, async) */
Datum
pgnet_collect_response(PG_FUNCTION_ARGS)
{
	return collect(fcinfo);
}

/* http_collect_response(request_id, async), as it was called once */
Datum
pgnet_collect_response_deprecated(PG_FUNCTION_ARGS)
{
	ereport(NOTICE,
			errmsg("net.http_collect_response is deprecated"),
			errhint("Read net._http_response, or call net._http_collect_response."));
	return collect(fcinfo);
}

/* Find a request's response, waiting for it unless async. */
static Datum
collect(FunctionCallInfo fcinfo)
{
	bool		async = PG_ARGISNULL(1) || PG_GETARG_BOOL(1);
	ResponseRow row;
	RequestState state;
	int64		id;

	if (PG_ARGISNULL(0))
		return form_result(fcinfo, "ERROR", "request id is null", NULL);
	id = PG_GETARG_INT64(0);
	pgnet_require_readable(fcinfo);
	state = async ? pgnet_response_find(id, &row) : await(id, &row);
	switch (state)
	{
		case PGNET_REQUEST_UNKNOWN:
			return form_result(fcinfo, "ERROR",
							   psprintf("request_id " INT64_FORMAT " not found",
										id),
							   NULL);
		case PGNET_REQUEST_UNCOMMITTED:
			return form_result(fcinfo, "PENDING",
							   "request is sent when this transaction commits",
							   NULL);
		case PGNET_REQUEST_WAITING:
			return form_result(fcinfo, "PENDING",
							   "request is pending processing", NULL);
		case PGNET_REQUEST_SCHEDULED:
			return form_result(fcinfo, "PENDING", row.error, NULL);
		case PGNET_REQUEST_GAVE_UP:
		case PGNET_REQUEST_RECORDED:
			break;
	}
	if (row.error != NULL)
		return form_result(fcinfo, "ERROR", row.error, NULL);
	return form_result(fcinfo, "SUCCESS", "ok", &row);
}

/*
 * Wait until a request is neither queued nor in flight.  row may be NULL for
 * those who only wait.
 */
static RequestState
await(int64 id, ResponseRow *row)
{
	DatabaseState *database = pgnet_require_served();
	RequestState state;

	for (;;)
	{
		/* read before looking, so that no change goes unnoticed */
		uint32		changes = pgnet_database_changes(database);

		state = pgnet_response_peek(id, row);
		if (pgnet_request_is_over(state))
			break;
		pgnet_change_wait(database, changes, PGNET_NO_LIMIT_MS);
	}
	if (state == PGNET_REQUEST_UNCOMMITTED)
		pgnet_response_refuse_uncommitted(id);
	return state;
}

/* A row of net.http_response_result; a null response when row is NULL. */
static Datum
form_result(FunctionCallInfo fcinfo, const char *status, const char *message,
			const ResponseRow *row)
{
	TupleDesc	desc;
	Datum		values[RESULT_NATTS] = {0};
	bool		nulls[RESULT_NATTS] = {false};
	Oid			status_type;
	Oid			response_type;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE ||
		desc->natts != RESULT_NATTS)
		elog(ERROR, "type net.http_response_result is not as expected");
	desc = BlessTupleDesc(desc);
	status_type = TupleDescAttr(desc, RESULT_STATUS)->atttypid;
	response_type = TupleDescAttr(desc, RESULT_RESPONSE)->atttypid;

	values[RESULT_STATUS] = enum_datum(status_type, status);
	values[RESULT_MESSAGE] = CStringGetTextDatum(message);
	if (row != NULL)
		values[RESULT_RESPONSE] = form_response(response_type, row);
	else
		nulls[RESULT_RESPONSE] = true;
	return HeapTupleGetDatum(heap_form_tuple(desc, values, nulls));
}

/* A row of net.http_response. */
static Datum
form_response(Oid type, const ResponseRow *row)
{
	TupleDesc	desc = lookup_rowtype_tupdesc_copy(type, -1);
	Datum		values[RESPONSE_NATTS] = {
		Int32GetDatum(row->status_code),
		PointerGetDatum(row->headers),
		PointerGetDatum(row->content)
	};
	bool		nulls[RESPONSE_NATTS] = {
		row->status_code < 0, row->headers == NULL, row->content == NULL
	};

	if (desc->natts != RESPONSE_NATTS)
		elog(ERROR, "type net.http_response is not as expected");
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values,
											 nulls));
}

/* A value of an enum type. */
static Datum
enum_datum(Oid type, const char *label)
{
	return DirectFunctionCall2(enum_in, CStringGetDatum(label),
							   ObjectIdGetDatum(type));
}
