/*
 * request.c -- net.http_get(), net.http_post(), net.http_delete().
 *
 * Runs in: client backends.
 *
 * Everything that can be found wrong with a request is an error here, at the
 * call, so that nothing is queued that cannot be sent.  None of the functions
 * is strict: a call that did nothing because of a null would look like one
 * that worked.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "api/policy.h"
#include "api/support.h"
#include "exchange.h"
#include "policy/header_rules.h"
#include "shared/wakeup.h"
#include "tables/headers.h"
#include "tables/request_queue.h"
#include "url.h"

/* URLs up to this length are worth remembering. */
#define MAX_REMEMBERED_URL 512

#define JSON_MEDIA_TYPE "application/json"

/* The arguments of one call; NULL for null. */
typedef struct RequestCall
{
	const char *method;
	text	   *url;
	Jsonb	   *params;
	Jsonb	   *headers;
	Jsonb	   *body;
	bool		has_timeout;
	int			timeout_ms;
} RequestCall;

PG_FUNCTION_INFO_V1(pgnet_http_get);
PG_FUNCTION_INFO_V1(pgnet_http_post);
PG_FUNCTION_INFO_V1(pgnet_http_delete);

static int64 queue(const RequestCall *call, bool has_body);
static char *build_url(const RequestCall *call);
static char *check_url(const char *url);
static const char *check_headers(const RequestCall *call);
static void check_timeout(const RequestCall *call);
static Jsonb *json_headers(Jsonb *headers, const char *content_type);
static bool is_json_media_type(const char *content_type);
static Jsonb *add_json_content_type(Jsonb *headers);
static Jsonb *jsonb_argument(FunctionCallInfo fcinfo, int number);
static void read_timeout(FunctionCallInfo fcinfo, int number,
						 RequestCall *call);
static void refuse_null(const char *column);
static void refuse(char *problem);

/* http_get(url, params, headers, timeout_milliseconds) */
Datum
pgnet_http_get(PG_FUNCTION_ARGS)
{
	RequestCall call = {
		.method = "GET",
		.url = PG_ARGISNULL(0) ? NULL : PG_GETARG_TEXT_PP(0),
		.params = jsonb_argument(fcinfo, 1),
		.headers = jsonb_argument(fcinfo, 2)
	};

	read_timeout(fcinfo, 3, &call);
	PG_RETURN_INT64(queue(&call, false));
}

/* http_post(url, body, params, headers, timeout_milliseconds) */
Datum
pgnet_http_post(PG_FUNCTION_ARGS)
{
	RequestCall call = {
		.method = "POST",
		.url = PG_ARGISNULL(0) ? NULL : PG_GETARG_TEXT_PP(0),
		.body = jsonb_argument(fcinfo, 1),
		.params = jsonb_argument(fcinfo, 2),
		.headers = jsonb_argument(fcinfo, 3)
	};

	read_timeout(fcinfo, 4, &call);
	PG_RETURN_INT64(queue(&call, true));
}

/* http_delete(url, params, headers, timeout_milliseconds, body) */
Datum
pgnet_http_delete(PG_FUNCTION_ARGS)
{
	RequestCall call = {
		.method = "DELETE",
		.url = PG_ARGISNULL(0) ? NULL : PG_GETARG_TEXT_PP(0),
		.params = jsonb_argument(fcinfo, 1),
		.headers = jsonb_argument(fcinfo, 2),
		.body = jsonb_argument(fcinfo, 4)
	};

	read_timeout(fcinfo, 3, &call);
	PG_RETURN_INT64(queue(&call, call.body != NULL));
}

/* Check a call, queue its request, and have the worker told at commit. */
static int64
queue(const RequestCall *call, bool has_body)
{
	char	   *body = NULL;
	const char *content_type;
	QueueRow	row;
	int64		id;

	pgnet_require_served();
	if (call->url == NULL)
		refuse_null("url");
	check_timeout(call);
	content_type = check_headers(call);
	if (has_body && call->body != NULL)
		body = JsonbToCString(NULL, &call->body->root, VARSIZE(call->body));

	row = (QueueRow) {
		.method = call->method,
		.url = build_url(call),
		.headers = has_body ? json_headers(call->headers, content_type) :
							  call->headers,
		.body = body,
		.body_len = body ? strlen(body) : 0,
		.timeout_ms = call->timeout_ms,
		.role = GetUserId()
	};
	pgnet_policy_require(&row);
	id = pgnet_queue_insert(&row);
	pgnet_wakeup_at_commit(id);
	return id;
}

/* The URL with the parameters appended. */
static char *
build_url(const RequestCall *call)
{
	char	   *problem = NULL;
	char	   *url;
	HttpHeader *members;
	UrlParam   *params;
	int			nparams;

	if (!pgnet_headers_from_jsonb(call->params, "params", &members, &nparams,
								  &problem))
		refuse(problem);
	if (nparams == 0)
		return check_url(text_to_cstring(call->url));
	params = palloc(sizeof(UrlParam) * (nparams + 1));
	for (int i = 0; i < nparams; i++)
		params[i] = (UrlParam) {
			.key = members[i].name,
			.value = members[i].value
		};
	url = pgnet_url_build(text_to_cstring(call->url), params, nparams,
						  &problem);
	if (url == NULL)
		refuse(problem);
	return url;
}

/*
 * A URL without parameters, in its normal form.  A session tends to send to
 * one address, a trigger to its webhook, and parsing is a third of the price
 * of a call: the last URL is remembered.
 */
static char *
check_url(const char *url)
{
	static char last_given[MAX_REMEMBERED_URL];
	static char last_normal[MAX_REMEMBERED_URL];
	char	   *problem = NULL;
	char	   *normal;

	if (*url != '\0' && strcmp(url, last_given) == 0)
		return pstrdup(last_normal);
	normal = pgnet_url_build(url, NULL, 0, &problem);
	if (normal == NULL)
		refuse(problem);
	if (strlen(url) < MAX_REMEMBERED_URL &&
		strlen(normal) < MAX_REMEMBERED_URL)
	{
		strcpy(last_given, url);
		strcpy(last_normal, normal);
	}
	return normal;
}

/*
 * Headers are an object of names and values that may be sent.  The content
 * type among them, or NULL.
 */
static const char *
check_headers(const RequestCall *call)
{
	char	   *problem = NULL;
	HttpHeader *headers;
	int			nheaders;

	if (!pgnet_headers_from_jsonb(call->headers, "headers", &headers,
								  &nheaders, &problem))
		refuse(problem);
	problem = pgnet_headers_problem(headers, nheaders);
	if (problem != NULL)
		refuse(problem);
	return pgnet_headers_find(headers, nheaders, "Content-Type");
}

/* A timeout is there, and positive. */
static void
check_timeout(const RequestCall *call)
{
	char	   *problem;

	if (!call->has_timeout)
		refuse_null("timeout_milliseconds");
	problem = pgnet_timeout_problem(call->timeout_ms);
	if (problem != NULL)
		refuse(problem);
}

/* Headers of a JSON body: the right content type, added if missing. */
static Jsonb *
json_headers(Jsonb *headers, const char *content_type)
{
	if (content_type == NULL)
		return add_json_content_type(headers);
	if (!is_json_media_type(content_type))
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("header \"Content-Type\" must be \"" JSON_MEDIA_TYPE "\""),
				errdetail("The body is JSON, and its media type has to say so."),
				errhint("Leave the header out, or give it parameters only, as in \"" JSON_MEDIA_TYPE "; charset=utf-8\"."));
	return headers;
}

/* Is the media type JSON, or one that is JSON underneath (RFC 6839, 3.1)? */
static bool
is_json_media_type(const char *content_type)
{
	size_t		length = strcspn(content_type, "; \t");

	if (length == strlen(JSON_MEDIA_TYPE) &&
		pg_strncasecmp(content_type, JSON_MEDIA_TYPE, length) == 0)
		return true;
	return length > 5 &&
		pg_strncasecmp(content_type + length - 5, "+json", 5) == 0;
}

/* headers with a content type; a null member of that name gives way. */
static Jsonb *
add_json_content_type(Jsonb *headers)
{
	HttpHeader	content_type = {"Content-Type", JSON_MEDIA_TYPE};
	Jsonb	   *added = pgnet_headers_to_jsonb(&content_type, 1);

	if (headers == NULL)
		return added;
	return DatumGetJsonbP(DirectFunctionCall2(jsonb_concat,
											  JsonbPGetDatum(headers),
											  JsonbPGetDatum(added)));
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

/* The error of a null where the queue's column is NOT NULL. */
static void
refuse_null(const char *column)
{
	ereport(ERROR,
			errcode(ERRCODE_NOT_NULL_VIOLATION),
			errmsg("null value in column \"%s\" of a request", column),
			errhint("Every request needs a %s.", column));
}

/* The error of a value that cannot be sent. */
static void
refuse(char *problem)
{
	ereport(ERROR,
			errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			errmsg("%s", problem));
}
