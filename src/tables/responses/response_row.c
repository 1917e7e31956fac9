/*
 * response_row.c -- outcomes as rows of net._http_response.
 *
 * Runs in: workers, inside a transaction.
 */
#include "postgres.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include "access/detoast.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "policy/retry.h"
#include "tables/queue/attempt_log.h"
#include "tables/responses/response_row.h"
#include "text/convert.h"
#include "text/json_fields.h"
#include "url_target.h"

const ShapeColumn pgnet_outcome_rows_shape[RESPONSE_COLUMNS] = {
	[RESPONSE_ID] = {"id", INT8OID},
	[RESPONSE_STATUS_CODE] = {"status_code", INT4OID},
	[RESPONSE_CONTENT_TYPE] = {"content_type", TEXTOID},
	[RESPONSE_HEADERS] = {"headers", JSONBOID},
	[RESPONSE_CONTENT] = {"content", TEXTOID},
	[RESPONSE_TIMED_OUT] = {"timed_out", BOOLOID},
	[RESPONSE_ERROR_MSG] = {"error_msg", TEXTOID},
	[RESPONSE_CREATED] = {"created", TIMESTAMPTZOID, .by_default = true, .filled = true},
	[RESPONSE_CONTENT_BYTES] = {"content_bytes", BYTEAOID},
	[RESPONSE_ROLE] = {"role", REGROLEOID},
	[RESPONSE_METHOD] = {"method", TEXTOID},
	[RESPONSE_URL] = {"url", TEXTOID},
	[RESPONSE_FINAL_URL] = {"final_url", TEXTOID},
	[RESPONSE_ATTEMPTS] = {"attempts", INT4OID},
	[RESPONSE_STARTED] = {"started", TIMESTAMPTZOID},
	[RESPONSE_DURATION_MS] = {"duration_ms", FLOAT8OID},
	[RESPONSE_DNS_MS] = {"dns_ms", FLOAT8OID},
	[RESPONSE_CONNECT_MS] = {"connect_ms", FLOAT8OID},
	[RESPONSE_TLS_MS] = {"tls_ms", FLOAT8OID},
	[RESPONSE_FIRST_BYTE_MS] = {"first_byte_ms", FLOAT8OID},
	[RESPONSE_REQUEST_BYTES] = {"request_bytes", INT8OID},
	[RESPONSE_RESPONSE_BYTES] = {"response_bytes", INT8OID},
	[RESPONSE_HTTP_VERSION] = {"http_version", TEXTOID},
	[RESPONSE_REMOTE_ADDRESS] = {"remote_address", INETOID},
	[RESPONSE_REMOTE_PORT] = {"remote_port", INT4OID},
	[RESPONSE_QUEUED] = {"queued", TIMESTAMPTZOID},
	[RESPONSE_FAILURES] = {"failures", JSONBOID},
	[RESPONSE_CONTEXT] = {"context", JSONBOID},
	[RESPONSE_CALLBACK] = {"callback", TEXTOID},
	[RESPONSE_CALLED] = {"called", TIMESTAMPTZOID},
	[RESPONSE_CALLBACK_ERROR] = {"callback_error", TEXTOID},
	[RESPONSE_CALLBACK_DEATHS] = {"callback_deaths", INT4OID},
	[RESPONSE_KEEP] = {"keep", BOOLOID},
};

/* Values from here on are not copied before they are stored. */
#define LARGE_BYTES (64 * 1024)

/* Larger values are not stored where the body is not. */
#define SMALL_BYTES 1024

static void fill_answer(OutcomeRows *rows, const HttpOutcome *outcome);
static void fill_error(OutcomeRows *rows, const Job *job, bool left_out);
static text *text_of(const HttpOutcome *outcome);
static struct varlena *bytes_of(const HttpOutcome *outcome);
static Datum large_datum(struct varlena *value);
static void fill_request(OutcomeRows *rows, const Job *job);
static void fill_delivery(OutcomeRows *rows, const Delivery *delivery);
static bool leave_out_large(OutcomeRows *rows);
static void fill_callback(OutcomeRows *rows, const Job *job);
static char *gave_up(const Job *job);
static void fill_metrics(OutcomeRows *rows, const HttpMetrics *metrics);
static void fill_remote(OutcomeRows *rows, const HttpMetrics *metrics);
static void set_ms(OutcomeRows *rows, int column, int64 microseconds);
static void set(OutcomeRows *rows, int column, Datum value);
static Datum text_datum(const char *received);

void
pgnet_outcome_rows_init(OutcomeRows *rows)
{
	rows->row_context = AllocSetContextCreate(CurrentMemoryContext,
											  "pg_net outcome row",
											  ALLOCSET_DEFAULT_SIZES);
	rows->address[0] = '\0';
	/* its macros look at the length before it is set (utils/inet.h) */
	memset(&rows->remote, 0, sizeof(rows->remote));
}

void
pgnet_outcome_rows_fill(OutcomeRows *rows, const Job *job)
{
	const HttpOutcome *outcome = &job->outcome;
	MemoryContext before;
	bool		left_out = false;

	MemoryContextReset(rows->row_context);
	before = MemoryContextSwitchTo(rows->row_context);
	memset(rows->nulls, true, sizeof(rows->nulls));
	set(rows, RESPONSE_ID, Int64GetDatum(job->id));
	set(rows, RESPONSE_TIMED_OUT,
		BoolGetDatum(outcome->kind == PGNET_OUTCOME_TIMED_OUT));
	if (OidIsValid(job->role))
		set(rows, RESPONSE_ROLE, ObjectIdGetDatum(job->role));
	if (outcome->kind == PGNET_OUTCOME_ANSWERED)
		fill_answer(rows, outcome);
	fill_request(rows, job);
	fill_delivery(rows, &job->delivery);
	if (job->delivery.callback != NULL)
		fill_callback(rows, job);
	if (job->metrics.attempts > 0 && job->metrics.started != 0)
		fill_metrics(rows, &job->metrics);
	if (outcome->not_stored != NULL)
		left_out = leave_out_large(rows);
	fill_error(rows, job, left_out);
	MemoryContextSwitchTo(before);
}

/* Store a response; a body that is not valid text goes to content_bytes. */
static void
fill_answer(OutcomeRows *rows, const HttpOutcome *outcome)
{
	text	   *content;

	set(rows, RESPONSE_STATUS_CODE, Int32GetDatum(outcome->status_code));
	if (outcome->not_stored != NULL)
		return;
	content = text_of(outcome);
	set(rows, RESPONSE_HEADERS,
		PointerGetDatum(pgnet_json_fields_build_cached(outcome->headers,
													   outcome->nheaders)));
	if (outcome->content_type != NULL)
		set(rows, RESPONSE_CONTENT_TYPE, text_datum(outcome->content_type));
	if (content != NULL)
		set(rows, RESPONSE_CONTENT, large_datum(content));
	else
		set(rows, RESPONSE_CONTENT_BYTES, large_datum(bytes_of(outcome)));
}

/* What the row does not have, and why.  left_out: something of the request. */
static void
fill_error(OutcomeRows *rows, const Job *job, bool left_out)
{
	const HttpOutcome *outcome = &job->outcome;
	const char *error = NULL;

	if (job->delivery.disposition == PGNET_GAVE_UP)
		error = gave_up(job);
	else if (outcome->kind != PGNET_OUTCOME_ANSWERED)
		error = pgnet_text_from_header(outcome->error);
	if (outcome->not_stored != NULL &&
		(left_out || outcome->kind == PGNET_OUTCOME_ANSWERED))
		error = error == NULL ? outcome->not_stored :
								psprintf("%s; %s", error, outcome->not_stored);
	if (error != NULL)
		set(rows, RESPONSE_ERROR_MSG, CStringGetTextDatum(error));
}

/* The body as text, NULL if it is none. */
static text *
text_of(const HttpOutcome *outcome)
{
	if (outcome->content_is_cut)
		return pgnet_text_from_cut_body(outcome->content, outcome->content_len,
										outcome->content_type,
										outcome->content_datum);
	return pgnet_text_from_body(outcome->content, outcome->content_len,
								outcome->content_type, outcome->content_datum);
}

/* The body as a bytea, without a copy if that is possible. */
static struct varlena *
bytes_of(const HttpOutcome *outcome)
{
	struct varlena *bytes = outcome->content_datum;

	if (bytes == NULL)
		return (struct varlena *)
			DatumGetPointer(pgnet_bytes_datum(outcome->content,
											  outcome->content_len));
	SET_VARSIZE(bytes, VARHDRSZ + outcome->content_len);
	return bytes;
}

/*
 * A value that may be large.  The executor copies values from slot to slot to
 * tuple, and to have so much new memory costs more than to store it.  So it
 * gets a pointer to follow, as logical decoding gives to what it reassembles,
 * until it comes to storing.
 */
static Datum
large_datum(struct varlena *value)
{
	struct varatt_indirect redirect = {.pointer = value};
	struct varlena *pointer;

	if (VARSIZE(value) < LARGE_BYTES)
		return PointerGetDatum(value);
	pointer = palloc(INDIRECT_POINTER_SIZE);
	SET_VARTAG_EXTERNAL(pointer, VARTAG_INDIRECT);
	memcpy(VARDATA_EXTERNAL(pointer), &redirect, sizeof(redirect));
	return PointerGetDatum(pointer);
}

/* What was asked; a row made by hand may lack anything. */
static void
fill_request(OutcomeRows *rows, const Job *job)
{
	if (job->request.method != NULL)
		set(rows, RESPONSE_METHOD, CStringGetTextDatum(job->request.method));
	if (job->request.url != NULL)
		set(rows, RESPONSE_URL,
			CStringGetTextDatum(pgnet_url_masked(job->request.url)));
	set(rows, RESPONSE_ATTEMPTS,
		Int32GetDatum(job->delivery.sent_before + job->delivery.sent +
					  job->metrics.attempts));
}

/* What the row said of the attempts before. */
static void
fill_delivery(OutcomeRows *rows, const Delivery *delivery)
{
	if (delivery->queued != 0)
		set(rows, RESPONSE_QUEUED, TimestampTzGetDatum(delivery->queued));
	if (delivery->log != NULL)
		set(rows, RESPONSE_FAILURES, JsonbPGetDatum(delivery->log));
	if (delivery->context != NULL)
		set(rows, RESPONSE_CONTEXT, JsonbPGetDatum(delivery->context));
}

/* What is called with the row, and whether the row stays then. */
static void
fill_callback(OutcomeRows *rows, const Job *job)
{
	const Delivery *delivery = &job->delivery;

	set(rows, RESPONSE_CALLBACK, CStringGetTextDatum(delivery->callback));
	if (delivery->drops_success && pgnet_is_success(&job->outcome))
		set(rows, RESPONSE_KEEP, BoolGetDatum(false));
}

/*
 * What users and servers can make large goes with the body; whether there was
 * anything.
 */
static bool
leave_out_large(OutcomeRows *rows)
{
	bool		any = false;

	static const int columns[] = {RESPONSE_URL, RESPONSE_FINAL_URL,
								  RESPONSE_CONTEXT, RESPONSE_FAILURES};

	for (int i = 0; i < (int) lengthof(columns); i++)
	{
		int			column = columns[i];

		if (!rows->nulls[column] &&
			VARSIZE_ANY(DatumGetPointer(rows->values[column])) > SMALL_BYTES)
			rows->nulls[column] = any = true;
	}
	return any;
}

/* What is said of a request that is given up. */
static char *
gave_up(const Job *job)
{
	int			nsent = job->delivery.sent + pgnet_job_was_sent(job);

	return pgnet_gave_up_message(nsent, pgnet_attempt_reason(&job->outcome));
}

/* How sending went. */
static void
fill_metrics(OutcomeRows *rows, const HttpMetrics *metrics)
{
	set(rows, RESPONSE_STARTED, TimestampTzGetDatum(metrics->started));
	set_ms(rows, RESPONSE_DURATION_MS, metrics->duration_us);
	set_ms(rows, RESPONSE_DNS_MS, metrics->dns_us);
	set_ms(rows, RESPONSE_CONNECT_MS, metrics->connect_us);
	set_ms(rows, RESPONSE_TLS_MS, metrics->tls_us);
	set_ms(rows, RESPONSE_FIRST_BYTE_MS, metrics->first_byte_us);
	set(rows, RESPONSE_REQUEST_BYTES, Int64GetDatum(metrics->request_bytes));
	set(rows, RESPONSE_RESPONSE_BYTES, Int64GetDatum(metrics->response_bytes));
	if (metrics->final_url != NULL)
		set(rows, RESPONSE_FINAL_URL,
			text_datum(pgnet_url_masked(metrics->final_url)));
	if (metrics->http_version != NULL)
		set(rows, RESPONSE_HTTP_VERSION,
			CStringGetTextDatum(metrics->http_version));
	if (metrics->remote_address[0] != '\0')
		fill_remote(rows, metrics);
}

/* Where the connection went to. */
static void
fill_remote(OutcomeRows *rows, const HttpMetrics *metrics)
{
	inet	   *remote = &rows->remote;

	if (strcmp(metrics->remote_address, rows->address) != 0)
	{
		bool		v6 = strchr(metrics->remote_address, ':') != NULL;

		if (inet_pton(v6 ? AF_INET6 : AF_INET, metrics->remote_address,
					  ip_addr(remote)) != 1)
			return;
		ip_family(remote) = v6 ? PGSQL_AF_INET6 : PGSQL_AF_INET;
		ip_bits(remote) = ip_maxbits(remote);
		SET_INET_VARSIZE(remote);
		strlcpy(rows->address, metrics->remote_address, sizeof(rows->address));
	}
	set(rows, RESPONSE_REMOTE_ADDRESS, InetPGetDatum(remote));
	set(rows, RESPONSE_REMOTE_PORT, Int32GetDatum(metrics->remote_port));
}

/* A time in milliseconds, if there is one. */
static void
set_ms(OutcomeRows *rows, int column, int64 microseconds)
{
	if (microseconds != PGNET_NOT_MEASURED)
		set(rows, column, Float8GetDatum(microseconds / 1000.0));
}

/* Give a column its value. */
static void
set(OutcomeRows *rows, int column, Datum value)
{
	rows->values[column] = value;
	rows->nulls[column] = false;
}

/* What libcurl or a server said, as text. */
static Datum
text_datum(const char *received)
{
	return CStringGetTextDatum(pgnet_text_from_header(received));
}
