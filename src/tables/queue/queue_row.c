/*
 * queue_row.c -- the columns of net.http_request_queue.
 *
 * Runs in: client backends (write) and workers (read).
 */
#include "postgres.h"

#include "access/detoast.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "policy/header_rules.h"
#include "policy/retry.h"
#include "tables/queue/attempt_log.h"
#include "tables/queue/queue_row.h"
#include "text/convert.h"
#include "text/json_fields.h"

const ShapeColumn pgnet_queue_shape[QUEUE_NCOLUMNS] = {
	[QUEUE_ID] = {"id", INT8OID, .by_default = true, .filled = true},
	[QUEUE_METHOD] = {"method", TEXTOID, .filled = true},
	[QUEUE_URL] = {"url", TEXTOID, .filled = true},
	[QUEUE_HEADERS] = {"headers", JSONBOID},
	[QUEUE_BODY] = {"body", BYTEAOID},
	[QUEUE_TIMEOUT] = {"timeout_milliseconds", INT4OID, .filled = true},
	[QUEUE_ROLE] = {"role", REGROLEOID},
	[QUEUE_CONNECT_TIMEOUT] = {"connect_timeout_milliseconds", INT4OID},
	[QUEUE_MAX_REDIRECTS] = {"max_redirects", INT4OID},
	[QUEUE_MAX_RESPONSE_BYTES] = {"max_response_bytes", INT8OID},
	[QUEUE_DECOMPRESS] = {"decompress", BOOLOID},
	[QUEUE_HTTP_VERSION] = {"http_version", TEXTOID},
	[QUEUE_SAME_ORIGIN_HEADERS] = {"same_origin_headers", TEXTARRAYOID},
	[QUEUE_QUEUED] = {"queued", TIMESTAMPTZOID, .by_default = true, .filled = true},
	[QUEUE_DUE] = {"due", TIMESTAMPTZOID},
	[QUEUE_GAVE_UP] = {"gave_up", TIMESTAMPTZOID},
	[QUEUE_RETRY] = {"retry", INTERVALARRAYOID},
	[QUEUE_FAILURES] = {"failures", JSONBOID},
	[QUEUE_ORDERING_KEY] = {"ordering_key", TEXTOID},
	[QUEUE_CALLBACK] = {"callback", TEXTOID},
	[QUEUE_CONTEXT] = {"context", JSONBOID},
	[QUEUE_KEEP] = {"keep", BOOLOID},
	[QUEUE_DEATHS] = {"deaths", INT4OID},
};

/* Those that count for the size of a row: see pgnet_queue_row_size(). */
static const int sized_columns[] = {
	QUEUE_URL,
	QUEUE_HEADERS,
	QUEUE_BODY,
	QUEUE_SAME_ORIGIN_HEADERS,
	QUEUE_FAILURES,
	QUEUE_ORDERING_KEY,
	QUEUE_CONTEXT
};

static char *read_method(HttpRequest *request, const Datum *values,
						 const bool *nulls);
static char *read_headers(HttpRequest *request, const Datum *values,
						  const bool *nulls);
static char *read_options(HttpOptions *options, const Datum *values,
						  const bool *nulls);
static char *read_http_version(HttpOptions *options, Datum value);
static void read_same_origin_headers(HttpOptions *options, Datum value);
static int	compare_names(const void *one, const void *other);

void
pgnet_queue_row_write(const QueueRow *row, Datum *values, bool *nulls)
{
	const HttpOptions *options = &row->options;

	memset(nulls, true, sizeof(bool) * QUEUE_NCOLUMNS);
#define WRITE(column, has_value, value) \
	if ((has_value)) \
	{ \
		values[column] = (value); \
		nulls[column] = false; \
	}

	WRITE(QUEUE_ID, row->id != 0, Int64GetDatum(row->id));
	WRITE(QUEUE_METHOD, true, CStringGetTextDatum(row->method));
	WRITE(QUEUE_URL, true, CStringGetTextDatum(row->url));
	WRITE(QUEUE_HEADERS, row->headers, JsonbPGetDatum(row->headers));
	WRITE(QUEUE_BODY, row->body, pgnet_bytes_datum(row->body, row->body_len));
	WRITE(QUEUE_TIMEOUT, true, Int32GetDatum(row->timeout_ms));
	WRITE(QUEUE_ROLE, true, ObjectIdGetDatum(row->role));
	WRITE(QUEUE_CONNECT_TIMEOUT, options->connect_timeout_ms != PGNET_UNSET,
		  Int32GetDatum(options->connect_timeout_ms));
	WRITE(QUEUE_MAX_REDIRECTS, options->max_redirects != PGNET_UNSET,
		  Int32GetDatum(options->max_redirects));
	WRITE(QUEUE_MAX_RESPONSE_BYTES, options->max_response_bytes != PGNET_UNSET,
		  Int64GetDatum(options->max_response_bytes));
	WRITE(QUEUE_DECOMPRESS, options->decompress != PGNET_UNSET,
		  BoolGetDatum(options->decompress));
	WRITE(QUEUE_HTTP_VERSION, options->http_version != PGNET_HTTP_UNSET,
		  CStringGetTextDatum(pgnet_http_version_name(options->http_version)));
	WRITE(QUEUE_SAME_ORIGIN_HEADERS, row->same_origin_headers,
		  PointerGetDatum(row->same_origin_headers));
	WRITE(QUEUE_DUE, row->due != 0, TimestampTzGetDatum(row->due));
	WRITE(QUEUE_RETRY, row->retry, PointerGetDatum(row->retry));
	WRITE(QUEUE_ORDERING_KEY, row->ordering_key,
		  PointerGetDatum(row->ordering_key));
	WRITE(QUEUE_CALLBACK, row->callback, CStringGetTextDatum(row->callback));
	WRITE(QUEUE_CONTEXT, row->context, JsonbPGetDatum(row->context));
	WRITE(QUEUE_KEEP, row->has_keep, BoolGetDatum(row->keep));
#undef WRITE
}

/* The columns of sized_columns that a new row can have. */
size_t
pgnet_queue_row_size(const QueueRow *row)
{
	size_t		size = VARHDRSZ + strlen(row->url);

	if (row->headers != NULL)
		size += VARSIZE(row->headers);
	if (row->body != NULL)
		size += VARHDRSZ + row->body_len;
	if (row->same_origin_headers != NULL)
		size += VARSIZE(row->same_origin_headers);
	if (row->ordering_key != NULL)
		size += VARHDRSZ + VARSIZE_ANY_EXHDR(row->ordering_key);
	if (row->context != NULL)
		size += VARSIZE(row->context);
	return size;
}

size_t
pgnet_queue_row_stored_size(const Datum *values, const bool *nulls)
{
	size_t		size = 0;

	for (int i = 0; i < (int) lengthof(sized_columns); i++)
		size += pgnet_queue_column_size(values, nulls, sized_columns[i]);
	return size;
}

size_t
pgnet_queue_column_size(const Datum *values, const bool *nulls, int column)
{
	return nulls[column] ? 0 : toast_raw_datum_size(values[column]);
}

char *
pgnet_queue_row_read(HttpRequest *request, const Datum *values,
					 const bool *nulls)
{
	char	   *problem = read_method(request, values, nulls);

	if (problem != NULL)
		return problem;
	if (nulls[QUEUE_TIMEOUT])
		return pstrdup("null value in column \"timeout_milliseconds\"");
	request->timeout_ms = DatumGetInt32(values[QUEUE_TIMEOUT]);
	problem = pgnet_timeout_problem(request->timeout_ms);
	if (problem == NULL)
		problem = read_headers(request, values, nulls);
	if (problem == NULL)
		problem = read_options(&request->options, values, nulls);
	if (problem != NULL)
		return problem;

	if (!nulls[QUEUE_BODY])
	{
		bytea	   *body = DatumGetByteaPCopy(values[QUEUE_BODY]);

		request->body = VARDATA(body);
		request->body_len = VARSIZE(body) - VARHDRSZ;
	}
	return NULL;
}

char *
pgnet_queue_row_read_delivery(Delivery *delivery, const Datum *values,
							  const bool *nulls)
{
	char	   *problem = NULL;
	int64	   *delays_us = NULL;
	AttemptLogSummary log;

	if (!nulls[QUEUE_QUEUED])
		delivery->queued = DatumGetTimestampTz(values[QUEUE_QUEUED]);
	/* nearly always there is nothing */
	if (memchr(&nulls[QUEUE_DUE], 0, QUEUE_NCOLUMNS - QUEUE_DUE) == NULL)
		return NULL;

	if (!nulls[QUEUE_DUE])
		delivery->due = DatumGetTimestampTz(values[QUEUE_DUE]);
	if (!nulls[QUEUE_CALLBACK])
		delivery->callback = TextDatumGetCString(values[QUEUE_CALLBACK]);
	if (!nulls[QUEUE_CONTEXT])
		delivery->context = DatumGetJsonbPCopy(values[QUEUE_CONTEXT]);
	delivery->has_keep = !nulls[QUEUE_KEEP];
	delivery->drops_success = delivery->has_keep &&
		!DatumGetBool(values[QUEUE_KEEP]);
	if (!nulls[QUEUE_FAILURES])
	{
		delivery->failures = DatumGetJsonbPCopy(values[QUEUE_FAILURES]);
		log = pgnet_attempt_log_summary(delivery->failures);
		delivery->failed = log.failed;
		delivery->sent = log.sent;
		delivery->sent_before = log.sent_before;
	}
	delivery->has_schedule = !nulls[QUEUE_RETRY];
	if (delivery->has_schedule)
		delivery->ndelays =
			pgnet_retry_parse(DatumGetArrayTypeP(values[QUEUE_RETRY]),
							  &delays_us, &problem);
	delivery->delays_us = delays_us;
	/* what is no schedule is one without attempts: it is given up */
	if (problem != NULL)
		delivery->ndelays = 1;
	return problem;
}

/* The method, which must go with having a body. */
static char *
read_method(HttpRequest *request, const Datum *values, const bool *nulls)
{
	char	   *problem;

	if (!nulls[QUEUE_METHOD])
		request->method = TextDatumGetCString(values[QUEUE_METHOD]);
	problem = pgnet_method_problem(request->method);
	if (problem == NULL)
		problem = pgnet_body_problem(request->method, !nulls[QUEUE_BODY]);
	return problem;
}

/* The header fields, each of which may be sent. */
static char *
read_headers(HttpRequest *request, const Datum *values, const bool *nulls)
{
	Jsonb	   *headers = NULL;
	char	   *problem = NULL;

	if (!nulls[QUEUE_HEADERS])
		headers = DatumGetJsonbP(values[QUEUE_HEADERS]);
	if (!pgnet_json_fields_read(headers, "headers", PGNET_ARRAYS_TEXT,
								&request->headers, &request->nheaders,
								&problem))
		return problem;
	return pgnet_headers_problem(request->headers, request->nheaders);
}

/* What is for this request other than for all. */
static char *
read_options(HttpOptions *options, const Datum *values, const bool *nulls)
{
	char	   *problem = NULL;

	*options = PGNET_OPTIONS_UNSET;
	/* nearly always there is nothing */
	if (memchr(&nulls[QUEUE_CONNECT_TIMEOUT], 0,
			   QUEUE_SAME_ORIGIN_HEADERS + 1 - QUEUE_CONNECT_TIMEOUT) == NULL)
		return NULL;

	if (!nulls[QUEUE_CONNECT_TIMEOUT])
		options->connect_timeout_ms =
			pgnet_option_set(DatumGetInt32(values[QUEUE_CONNECT_TIMEOUT]));
	if (!nulls[QUEUE_MAX_REDIRECTS])
		options->max_redirects =
			pgnet_option_set(DatumGetInt32(values[QUEUE_MAX_REDIRECTS]));
	if (!nulls[QUEUE_MAX_RESPONSE_BYTES])
		options->max_response_bytes =
			pgnet_option_set(DatumGetInt64(values[QUEUE_MAX_RESPONSE_BYTES]));
	if (!nulls[QUEUE_DECOMPRESS])
		options->decompress = DatumGetBool(values[QUEUE_DECOMPRESS]);
	if (!nulls[QUEUE_HTTP_VERSION])
		problem = read_http_version(options, values[QUEUE_HTTP_VERSION]);
	if (!nulls[QUEUE_SAME_ORIGIN_HEADERS])
		read_same_origin_headers(options, values[QUEUE_SAME_ORIGIN_HEADERS]);
	return problem ? problem : pgnet_options_problem(options);
}

/* A version of HTTP by its number. */
static char *
read_http_version(HttpOptions *options, Datum value)
{
	return pgnet_http_version_parse(TextDatumGetCString(value),
									&options->http_version);
}

/* Names of headers in order, nulls left out. */
static void
read_same_origin_headers(HttpOptions *options, Datum value)
{
	Datum	   *elements;
	bool	   *nulls;
	int			count;

	deconstruct_array(DatumGetArrayTypeP(value), TEXTOID, -1, false,
					  TYPALIGN_INT, &elements, &nulls, &count);
	options->same_origin_headers = palloc(sizeof(char *) * Max(count, 1));
	for (int i = 0; i < count; i++)
		if (!nulls[i])
			options->same_origin_headers[options->nsame_origin_headers++] =
				TextDatumGetCString(elements[i]);
	qsort(options->same_origin_headers, options->nsame_origin_headers,
		  sizeof(const char *), compare_names);
}

/* For qsort(). */
static int
compare_names(const void *one, const void *other)
{
	return pg_strcasecmp(*(const char *const *) one,
						 *(const char *const *) other);
}
