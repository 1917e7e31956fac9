/*
 * receive.c -- a response, as it arrives, for a transfer.
 *
 * Runs in: workers.
 *
 * A body is in memory from malloc(), which can grow without throwing and mostly
 * without copying; it goes with the request's memory context.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "http/receive.h"

/* RFC 9110, sections 15.2.2 and 15.3.7. */
#define SWITCHING_PROTOCOLS 101
#define PARTIAL_CONTENT 206

static Transfer *transfer_of(ResponseSink *sink);
static bool begin(ResponseSink *sink, const char *version, int status);
static bool take_field(ResponseSink *sink, const char *name, size_t name_length,
					   const char *value, size_t value_length);
static bool end_head(ResponseSink *sink, int64 content_length);
static SinkResult take_body(ResponseSink *sink, const char *bytes,
							size_t length);
static ContentCoding coding_of(const Transfer *transfer);
static bool wants_decoding(const Transfer *transfer);
static bool decode(Transfer *transfer, const char *bytes, size_t length);
static size_t max_response_bytes(const HttpRequest *request,
								 const HttpDefaults *defaults);
static size_t kept_bytes(const HttpRequest *request);
static void body_goes_on(BodyReceiver *receiver);
static void decoding_goes_on(DecodingMember *member);
static void free_body(void *arg);

static const ResponseSinkOperations operations = {
	.begin = begin,
	.field = take_field,
	.head = end_head,
	.body = take_body
};

void
pgnet_receive_init(Transfer *transfer)
{
	const TransferOptions *options = transfer->options;
	const HttpRequest *request = &transfer->job->request;

	transfer->sink.operations = &operations;
	transfer->headers.max_bytes = options->max_header_bytes;
	transfer->body.limit = max_response_bytes(request, options->defaults);
	transfer->body.kept = kept_bytes(request);
	transfer->body.budget = options->bodies;
	transfer->body.receiver.holder = transfer->job->holder;
	transfer->body.receiver.go_on = body_goes_on;
	transfer->decoding.go_on = decoding_goes_on;
}

void
pgnet_receive_again(Transfer *transfer)
{
	pgnet_header_section_clear(&transfer->headers);
	transfer->status = 0;
	transfer->redirected = false;
}

int
pgnet_max_redirects(const Transfer *transfer)
{
	return PGNET_OPTION(&transfer->job->request, transfer->options->defaults,
						max_redirects, PGNET_UNSET);
}

const char *
pgnet_location(const Transfer *transfer)
{
	const char *value = pgnet_headers_find(transfer->headers.fields,
										   transfer->headers.nfields,
										   "Location");

	return value != NULL && *value != '\0' ? value : NULL;
}

/* The transfer that takes a response. */
static Transfer *
transfer_of(ResponseSink *sink)
{
	return (Transfer *) ((char *) sink - offsetof(Transfer, sink));
}

/* An interim response or the final one begins. */
static bool
begin(ResponseSink *sink, const char *version, int status)
{
	Transfer   *transfer = transfer_of(sink);

	if (transfer->free_body.func == NULL)
	{
		transfer->free_body.func = free_body;
		transfer->free_body.arg = &transfer->body;
		MemoryContextRegisterResetCallback(transfer->job->request.context,
										   &transfer->free_body);
	}
	transfer->status = status;
	transfer->times.version = version;
	if (transfer->times.first_byte_us == 0)
		transfer->times.first_byte_us = pgnet_monotonic_us();
	return pgnet_header_section_begin(&transfer->headers);
}

/* Keep a field, and count what it takes; trailers are not kept. */
static bool
take_field(ResponseSink *sink, const char *name, size_t name_length,
		   const char *value, size_t value_length)
{
	Transfer   *transfer = transfer_of(sink);

	return pgnet_body_reserve(&transfer->body, name_length + value_length) &&
		pgnet_header_section_add(&transfer->headers,
								 transfer->job->request.context, name,
								 name_length, value, value_length);
}

/* The header section is there: what becomes of the body? */
static bool
end_head(ResponseSink *sink, int64 content_length)
{
	Transfer   *transfer = transfer_of(sink);

	/* what a server would switch to was not asked for: see http1_response.h */
	if (transfer->status < 200 && transfer->status != SWITCHING_PROTOCOLS)
		return true;
	pgnet_header_section_end(&transfer->headers);
	transfer->redirected = pgnet_redirect_is(transfer->status) &&
		pgnet_max_redirects(transfer) > 0 && pgnet_location(transfer) != NULL;
	transfer->coding = coding_of(transfer);
	if (content_length > 0 && transfer->coding == PGNET_CODING_NONE)
		transfer->body.expected = content_length;
	return true;
}

/* Take some bytes, or pause until there is room or time for more. */
static SinkResult
take_body(ResponseSink *sink, const char *bytes, size_t length)
{
	Transfer   *transfer = transfer_of(sink);
	const TransferOptions *options = transfer->options;
	TransferBody *body = &transfer->body;
	bool		taken;

	if (transfer->redirected)
		return PGNET_SINK_TAKEN;
	if (!pgnet_body_budget_lets_grow(options->bodies, &body->receiver,
									 pgnet_body_growth(body, length)))
		return PGNET_SINK_PAUSED;
	if (transfer->coding == PGNET_CODING_NONE)
		taken = pgnet_body_append(body, bytes, length);
	else if (pgnet_decoding_has_time(options->decoding, &transfer->decoding))
		taken = decode(transfer, bytes, length);
	else
		return PGNET_SINK_PAUSED;
	transfer->times.body_bytes += length;
	return taken ? PGNET_SINK_TAKEN : PGNET_SINK_STOPPED;
}

/* How to decode; a part of what is coded is nothing that can be decoded. */
static ContentCoding
coding_of(const Transfer *transfer)
{
	if (!wants_decoding(transfer) || transfer->status == PARTIAL_CONTENT)
		return PGNET_CODING_NONE;
	return pgnet_coding_of(transfer->headers.fields, transfer->headers.nfields);
}

/* Is the body to be decoded? */
static bool
wants_decoding(const Transfer *transfer)
{
	return PGNET_OPTION(&transfer->job->request, transfer->options->defaults,
						decompress, PGNET_UNSET);
}

/* Decode them, and see how long that takes. */
static bool
decode(Transfer *transfer, const char *bytes, size_t length)
{
	int64		since_us = pgnet_monotonic_us();
	bool		taken = pgnet_decoder_take(&transfer->decoder, transfer->coding,
										   &transfer->body, bytes, length);

	pgnet_decoding_spend(transfer->options->decoding,
						 pgnet_monotonic_us() - since_us);
	return taken;
}

/* How large the body of the response may be. */
static size_t
max_response_bytes(const HttpRequest *request, const HttpDefaults *defaults)
{
	int64		limit = defaults->options.max_response_bytes;

	if (request->options.max_response_bytes != PGNET_UNSET)
		limit = Min(limit, request->options.max_response_bytes);
	return limit;
}

/* How much of the body is kept; what is longer is cut. */
static size_t
kept_bytes(const HttpRequest *request)
{
	if (request->endpoint == NULL || request->endpoint->keep_bytes < 0)
		return SIZE_MAX;
	return (size_t) request->endpoint->keep_bytes;
}

/* go_on of BodyReceiver. */
static void
body_goes_on(BodyReceiver *receiver)
{
	Transfer   *transfer =
		(Transfer *) ((char *) receiver - offsetof(Transfer, body.receiver));

	pgnet_exchange_resume(&transfer->exchange);
}

/* go_on of DecodingMember. */
static void
decoding_goes_on(DecodingMember *member)
{
	Transfer   *transfer =
		(Transfer *) ((char *) member - offsetof(Transfer, decoding));

	pgnet_exchange_resume(&transfer->exchange);
}

/* Reset callback of the request's memory context. */
static void
free_body(void *arg)
{
	pgnet_body_free(arg);
}
