/*
 * request.c -- net.http_get() and its like: the arguments of a call.
 *
 * Runs in: client backends.
 *
 * None of the functions is strict: a call that did nothing because of a null
 * would look like one that worked.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "api/call.h"
#include "api/support.h"

PG_FUNCTION_INFO_V1(pgnet_http_get);
PG_FUNCTION_INFO_V1(pgnet_http_head);
PG_FUNCTION_INFO_V1(pgnet_http_post);
PG_FUNCTION_INFO_V1(pgnet_http_put);
PG_FUNCTION_INFO_V1(pgnet_http_patch);
PG_FUNCTION_INFO_V1(pgnet_http_delete);
PG_FUNCTION_INFO_V1(pgnet_http_request);

static Datum queue_without_body(FunctionCallInfo fcinfo, const char *method);
static Datum queue_json(FunctionCallInfo fcinfo, const char *method);
static text *text_argument(FunctionCallInfo fcinfo, int number);
static Jsonb *jsonb_argument(FunctionCallInfo fcinfo, int number);
static void read_timeout(FunctionCallInfo fcinfo, int number,
						 RequestCall *call);
static void read_delivery(FunctionCallInfo fcinfo, int first,
						  RequestCall *call);
static void read_options(FunctionCallInfo fcinfo, int first,
						 RequestCall *call);

/* http_get(url, params, headers, timeout_milliseconds) */
Datum
pgnet_http_get(PG_FUNCTION_ARGS)
{
	return queue_without_body(fcinfo, "GET");
}

/* http_head(url, params, headers, timeout_milliseconds) */
Datum
pgnet_http_head(PG_FUNCTION_ARGS)
{
	return queue_without_body(fcinfo, "HEAD");
}

/* http_post(url, body, params, headers, timeout_milliseconds) */
Datum
pgnet_http_post(PG_FUNCTION_ARGS)
{
	return queue_json(fcinfo, "POST");
}

/* http_put(url, body, params, headers, timeout_milliseconds) */
Datum
pgnet_http_put(PG_FUNCTION_ARGS)
{
	return queue_json(fcinfo, "PUT");
}

/* http_patch(url, body, params, headers, timeout_milliseconds) */
Datum
pgnet_http_patch(PG_FUNCTION_ARGS)
{
	return queue_json(fcinfo, "PATCH");
}

/* http_delete(url, params, headers, timeout_milliseconds, body) */
Datum
pgnet_http_delete(PG_FUNCTION_ARGS)
{
	RequestCall call = {
		.options = PGNET_OPTIONS_UNSET,
		.known_method = "DELETE",
		.url = text_argument(fcinfo, 0),
		.params = jsonb_argument(fcinfo, 1),
		.headers = jsonb_argument(fcinfo, 2),
		.json = jsonb_argument(fcinfo, 4)
	};

	call.sends_json = call.json != NULL;
	pgnet_require_writable(fcinfo);
	read_timeout(fcinfo, 3, &call);
	PG_RETURN_INT64(pgnet_call_queue(&call));
}

/*
 * http_request(method, url, params, headers, body, timeout_milliseconds,
 * retry, due, ordering_key, callback, context, keep,
 * connect_timeout_milliseconds, max_redirects, max_response_bytes, decompress,
 * http_version, same_origin_headers)
 */
Datum
pgnet_http_request(PG_FUNCTION_ARGS)
{
	RequestCall call = {
		.options = PGNET_OPTIONS_UNSET,
		.method = text_argument(fcinfo, 0),
		.url = text_argument(fcinfo, 1),
		.params = jsonb_argument(fcinfo, 2),
		.params_repeat = true,
		.headers = jsonb_argument(fcinfo, 3),
		.body = PG_ARGISNULL(4) ? NULL : PG_GETARG_HTTP_BODY(4)
	};

	pgnet_require_writable(fcinfo);
	read_timeout(fcinfo, 5, &call);
	read_delivery(fcinfo, 6, &call);
	read_options(fcinfo, 12, &call);
	PG_RETURN_INT64(pgnet_call_queue(&call));
}

/* The functions with the arguments of http_get(). */
static Datum
queue_without_body(FunctionCallInfo fcinfo, const char *method)
{
	RequestCall call = {
		.options = PGNET_OPTIONS_UNSET,
		.known_method = method,
		.url = text_argument(fcinfo, 0),
		.params = jsonb_argument(fcinfo, 1),
		.headers = jsonb_argument(fcinfo, 2)
	};

	pgnet_require_writable(fcinfo);
	read_timeout(fcinfo, 3, &call);
	PG_RETURN_INT64(pgnet_call_queue(&call));
}

/* The functions with the arguments of http_post(). */
static Datum
queue_json(FunctionCallInfo fcinfo, const char *method)
{
	RequestCall call = {
		.options = PGNET_OPTIONS_UNSET,
		.known_method = method,
		.url = text_argument(fcinfo, 0),
		.sends_json = true,
		.json = jsonb_argument(fcinfo, 1),
		.params = jsonb_argument(fcinfo, 2),
		.headers = jsonb_argument(fcinfo, 3)
	};

	pgnet_require_writable(fcinfo);
	read_timeout(fcinfo, 4, &call);
	PG_RETURN_INT64(pgnet_call_queue(&call));
}

/* A text argument, or NULL. */
static text *
text_argument(FunctionCallInfo fcinfo, int number)
{
	return PG_ARGISNULL(number) ? NULL : PG_GETARG_TEXT_PP(number);
}

/* A jsonb argument, or NULL. */
static Jsonb *
jsonb_argument(FunctionCallInfo fcinfo, int number)
{
	return PG_ARGISNULL(number) ? NULL : PG_GETARG_JSONB_P(number);
}

/* The timeout argument. */
static void
read_timeout(FunctionCallInfo fcinfo, int number, RequestCall *call)
{
	call->has_timeout = !PG_ARGISNULL(number);
	if (call->has_timeout)
		call->timeout_ms = PG_GETARG_INT32(number);
}

/* The arguments about attempts and the response, from number first on. */
static void
read_delivery(FunctionCallInfo fcinfo, int first, RequestCall *call)
{
	if (!PG_ARGISNULL(first))
		call->retry = PG_GETARG_ARRAYTYPE_P(first);
	call->has_due = !PG_ARGISNULL(first + 1);
	if (call->has_due)
		call->due = PG_GETARG_TIMESTAMPTZ(first + 1);
	call->ordering_key = text_argument(fcinfo, first + 2);
	call->callback = text_argument(fcinfo, first + 3);
	call->context = jsonb_argument(fcinfo, first + 4);
	call->has_keep = !PG_ARGISNULL(first + 5);
	if (call->has_keep)
		call->keep = PG_GETARG_BOOL(first + 5);
}

/* The arguments that are options, from number first on. */
static void
read_options(FunctionCallInfo fcinfo, int first, RequestCall *call)
{
	HttpOptions *options = &call->options;

	if (!PG_ARGISNULL(first))
		options->connect_timeout_ms = pgnet_option_set(PG_GETARG_INT32(first));
	if (!PG_ARGISNULL(first + 1))
		options->max_redirects = pgnet_option_set(PG_GETARG_INT32(first + 1));
	if (!PG_ARGISNULL(first + 2))
		options->max_response_bytes =
			pgnet_option_set(PG_GETARG_INT64(first + 2));
	if (!PG_ARGISNULL(first + 3))
		options->decompress = PG_GETARG_BOOL(first + 3);
	if (!PG_ARGISNULL(first + 4))
		call->http_version = text_argument(fcinfo, first + 4);
	if (!PG_ARGISNULL(first + 5))
		call->same_origin_headers = PG_GETARG_ARRAYTYPE_P(first + 5);
}
