/*
 * call.c -- one call of a request function: check it, queue its request.
 *
 * Runs in: client backends.
 *
 * Everything that can be found wrong with a request is an error here, at the
 * call, so that nothing is queued that cannot be sent.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "api/call.h"
#include "api/callback.h"
#include "api/policy.h"
#include "api/support.h"
#include "compat.h"
#include "endpoint_url.h"
#include "exchange.h"
#include "policy/header_rules.h"
#include "policy/retry.h"
#include "shared/wakeup.h"
#include "tables/policy/endpoints.h"
#include "tables/queue/queue.h"
#include "tables/recovery/installation.h"
#include "tables/subtransaction.h"
#include "text/json_fields.h"
#include "url.h"

/* An index has them. */
#define MAX_ORDERING_KEY_BYTES 1000

/* URLs up to this length are worth remembering. */
#define MAX_REMEMBERED_URL 512

static QueueRow check(const RequestCall *call);
static void require_policy(void *row);
static int64 insert(DatabaseState *database, QueueRow *row);
static void renew_ids(DatabaseState *database);
static const char *check_method(const RequestCall *call);
static char *build_url(const RequestCall *call);
static int	read_params(const RequestCall *call, Field **params);
static char *check_url(const char *url);
static const char *check_headers(const RequestCall *call);
static void check_options(const RequestCall *call);
static void check_schedule(QueueRow *row, const RequestCall *call);
static HttpVersion check_http_version(const RequestCall *call);
static void fill_body(QueueRow *row, const RequestCall *call,
					  const char *content_type);
static Jsonb *json_headers(Jsonb *headers, const char *content_type);
static bool is_json_media_type(const char *content_type);
static Jsonb *add_content_type(Jsonb *headers, const char *content_type);
pg_noreturn static void refuse_null(const char *column);
pg_noreturn static void refuse_url(const char *url, char *problem);
pg_noreturn static void refuse(char *problem);

/* Check, queue, and have the worker told. */
int64
pgnet_call_queue(const RequestCall *call)
{
	DatabaseState *database = pgnet_require_served();
	QueueRow	row = check(call);

	pgnet_policy_require(&row);
	return insert(database, &row);
}

/* The same, catching what policy throws. */
ErrorData *
pgnet_call_queue_unless_refused(const RequestCall *call)
{
	DatabaseState *database = pgnet_require_served();
	QueueRow	row = check(call);
	ErrorData  *error;

	/* nothing is written in it, so it costs no transaction id */
	error = pgnet_subtransaction_try(require_policy, &row,
									 PGNET_SUBTRANSACTION_KEEP);
	if (error == NULL)
		(void) insert(database, &row);
	else if (error->sqlerrcode != ERRCODE_INSUFFICIENT_PRIVILEGE &&
			 error->sqlerrcode != ERRCODE_CONFIGURATION_LIMIT_EXCEEDED)
		ReThrowError(error);
	return error;
}

int64
pgnet_call_next_id(void)
{
	renew_ids(pgnet_require_served());
	return pgnet_queue_next_id();
}

/* A call as a row to be. */
static QueueRow
check(const RequestCall *call)
{
	QueueRow	row = {
		.id = call->id,
		.method = check_method(call),
		.headers = call->headers,
		.role = OidIsValid(call->role) ? call->role : GetUserId(),
		.options = call->options,
		.same_origin_headers = call->same_origin_headers,
		.ordering_key = call->ordering_key,
		.context = call->context,
		.has_keep = call->has_keep,
		.keep = call->keep
	};
	const char *content_type;

	if (call->url == NULL)
		refuse_null("url");
	check_options(call);
	row.timeout_ms = call->timeout_ms;
	row.options.http_version = check_http_version(call);
	check_schedule(&row, call);
	if (call->callback != NULL)
		row.callback = pgnet_callback_resolve(call->callback);
	content_type = check_headers(call);
	fill_body(&row, call, content_type);
	row.url = build_url(call);
	return row;
}

/* SubtransactionWork: may the row be queued? */
static void
require_policy(void *row)
{
	pgnet_policy_require(row);
}

/* Insert a row that may be sent, and have the worker told; its id. */
static int64
insert(DatabaseState *database, QueueRow *row)
{
	int64		id;

	if (row->ordering_key == NULL && pgnet_url_is_endpoint(row->url) &&
		pgnet_endpoints_are_ordered(row->url))
		row->ordering_key = cstring_to_text("");
	if (row->retry != NULL || row->due != 0 || row->callback != NULL)
		pgnet_warn_unless_durable();
	renew_ids(database);
	id = pgnet_queue_insert(row);
	pgnet_wakeup_at_commit(id);
	return id;
}

/* See to it that ids are new, once since the server started. */
static void
renew_ids(DatabaseState *database)
{
	if (!database->ids_renewed)
		pgnet_installation_renew_ids(&database->ids_renewed);
}

/* A method is a token. */
static const char *
check_method(const RequestCall *call)
{
	char	   *method;
	char	   *problem;

	if (call->known_method != NULL)
		return call->known_method;
	if (call->method == NULL)
		refuse_null("method");
	method = text_to_cstring(call->method);
	problem = pgnet_method_problem(method);
	if (problem == NULL)
		problem = pgnet_body_problem(method, call->body != NULL);
	if (problem != NULL)
		refuse(problem);
	return method;
}

/* The URL with the parameters appended. */
static char *
build_url(const RequestCall *call)
{
	char	   *problem = NULL;
	char	   *given = text_to_cstring(call->url);
	char	   *url;
	Field	   *params = NULL;
	int			nparams = read_params(call, &params);

	if (nparams == 0)
		return check_url(given);
	url = pgnet_url_build(given, params, nparams, &problem);
	if (url == NULL)
		refuse_url(given, problem);
	return url;
}

/* The parameters; how many. */
static int
read_params(const RequestCall *call, Field **params)
{
	char	   *problem = NULL;
	int			count;

	if (!pgnet_json_fields_read(call->params, "params",
								call->params_repeat ? PGNET_ARRAYS_REPEAT :
													  PGNET_ARRAYS_TEXT,
								params, &count, &problem))
		refuse(problem);
	return count;
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
		refuse_url(url, problem);
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
	Field	   *headers;
	int			nheaders;

	if (!pgnet_json_fields_read(call->headers, "headers", PGNET_ARRAYS_TEXT, &headers,
								&nheaders, &problem))
		refuse(problem);
	problem = pgnet_headers_problem(headers, nheaders);
	if (problem != NULL)
		refuse(problem);
	return pgnet_headers_find(headers, nheaders, "Content-Type");
}

/* A timeout is there, and positive; what else is there has its range. */
static void
check_options(const RequestCall *call)
{
	char	   *problem;

	if (!call->has_timeout)
		refuse_null("timeout_milliseconds");
	problem = pgnet_timeout_problem(call->timeout_ms);
	if (problem == NULL)
		problem = pgnet_options_problem(&call->options);
	if (problem != NULL)
		refuse(problem);
}

/* When to send it, and when again; what is due already is due at once. */
static void
check_schedule(QueueRow *row, const RequestCall *call)
{
	char	   *problem = NULL;
	int64	   *delays_us;

	if (call->retry != NULL &&
		pgnet_retry_parse(call->retry, &delays_us, &problem) < 0)
		refuse(problem);
	if (call->has_due && TIMESTAMP_NOT_FINITE(call->due))
		refuse(pstrdup("due must not be infinite"));
	if (call->ordering_key != NULL &&
		VARSIZE_ANY_EXHDR(call->ordering_key) > MAX_ORDERING_KEY_BYTES)
		refuse(psprintf("ordering key is longer than %d bytes",
						MAX_ORDERING_KEY_BYTES));
	row->retry = call->retry;
	if (call->has_due && call->due > GetCurrentTimestamp())
		row->due = call->due;
}

/* A version is one we know. */
static HttpVersion
check_http_version(const RequestCall *call)
{
	HttpVersion version = PGNET_HTTP_UNSET;
	char	   *problem = NULL;

	if (call->http_version != NULL)
		problem = pgnet_http_version_parse(text_to_cstring(call->http_version),
										   &version);
	if (problem != NULL)
		refuse(problem);
	return version;
}

/* The body, and the content type it needs among the headers. */
static void
fill_body(QueueRow *row, const RequestCall *call, const char *content_type)
{
	char	   *json;

	if (call->sends_json)
		row->headers = json_headers(call->headers, content_type);
	if (call->json != NULL)
	{
		json = JsonbToCString(NULL, &call->json->root, VARSIZE(call->json));
		row->body = json;
		row->body_len = strlen(json);
	}
	if (call->body != NULL)
	{
		row->body = pgnet_body_bytes(call->body, &row->body_len);
		if (content_type == NULL)
			row->headers = add_content_type(call->headers,
											pgnet_body_type(call->body));
	}
}

/* Headers of a JSON body: the right content type, added if missing. */
static Jsonb *
json_headers(Jsonb *headers, const char *content_type)
{
	if (content_type == NULL)
		return add_content_type(headers, PGNET_JSON_TYPE);
	if (!is_json_media_type(content_type))
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("header \"Content-Type\" must be \"" PGNET_JSON_TYPE "\""),
				errdetail("The body is JSON, so its media type must be JSON as well."),
				errhint("Omit the header, or add only parameters, as in \"" PGNET_JSON_TYPE "; charset=utf-8\"."));
	return headers;
}

/* Is the media type JSON, or one that is JSON underneath (RFC 6839, 3.1)? */
static bool
is_json_media_type(const char *content_type)
{
	size_t		length = strcspn(content_type, "; \t");

	if (length == strlen(PGNET_JSON_TYPE) &&
		pg_strncasecmp(content_type, PGNET_JSON_TYPE, length) == 0)
		return true;
	return length > 5 &&
		pg_strncasecmp(content_type + length - 5, "+json", 5) == 0;
}

/* headers with a content type; a null member of that name gives way. */
static Jsonb *
add_content_type(Jsonb *headers, const char *content_type)
{
	Field		field = {"Content-Type", content_type};
	Jsonb	   *added = pgnet_json_fields_build(&field, 1);

	if (headers == NULL)
		return added;
	return DatumGetJsonbP(DirectFunctionCall2(jsonb_concat,
											  JsonbPGetDatum(headers),
											  JsonbPGetDatum(added)));
}

/*
 * The error of a null where the queue's column is NOT NULL.  Nobody writes one:
 * it comes from a part of a URL that is null, such as a key that is missing.
 */
static void
refuse_null(const char *column)
{
	ereport(ERROR,
			errcode(ERRCODE_NOT_NULL_VIOLATION),
			errmsg("null value in column \"%s\" of a request", column),
			strcmp(column, "url") == 0 ?
				errhint("Every request needs a URL. If this one was built with ||, one of its parts is null, which makes the result null.") :
				errhint("Every request needs a %s.", column));
}

/* The error of a URL that cannot be sent. */
static void
refuse_url(const char *url, char *problem)
{
	char	   *hint = pgnet_url_hint(url);

	ereport(ERROR,
			errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			errmsg("%s", problem),
			hint ? errhint("%s", hint) : 0);
}

/* The error of a value that cannot be sent. */
static void
refuse(char *problem)
{
	ereport(ERROR,
			errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			errmsg("%s", problem));
}
