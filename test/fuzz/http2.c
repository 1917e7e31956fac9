/*
 * http2.c -- fuzzes src/http/http2.c: what a server with HTTP/2 sends.
 *
 * Frames get the length they have, so that few inputs end at the first.
 */
#include "postgres.h"

#include "fuzz.h"
#include "http/http2.h"

#define NSTREAMS 6
#define NKINDS 4
#define MAX_HEAD_BYTES 4096
#define OUTPUT_BYTES 700
#define FRAME_HEADER_BYTES 9

/* What a window lets a peer send that a sink does not take. */
#define MAX_KEPT_BYTES 65535

/* Types of records that are no frames; the client does something instead. */
#define RECORD_BYTES 0x10		/* bytes as they are, not a frame */
#define RECORD_SUBMIT 0x11
#define RECORD_CANCEL 0x12
#define RECORD_RESUME 0x13
#define RECORD_OUTPUT 0x14

/* A request, and how its sink behaves. */
typedef struct Request
{
	Http2Stream stream;
	ResponseSink sink;
	const Message *message;
	bool		open;
	int			nbegun;
	int			nheads;
	bool		pauses;
	bool		stops;
} Request;

static const Message kinds[NKINDS] = {
	{.method = "GET", .scheme = "https", .authority = "a", .target = "/"},
	{.method = "HEAD", .scheme = "https", .authority = "a", .target = "/"},
	{.method = "POST", .scheme = "https", .authority = "a", .target = "/", .has_body = true, .body = "", .body_length = 0},
	{.method = "POST", .scheme = "https", .authority = "a", .target = "/", .has_body = true, .body = "0123456789", .body_length = 10},
};

static Http2 *http2;
static Request requests[NSTREAMS];
static int	nopen;
static bool resubmits;			/* what was not processed, in done() */

static bool next_record(const uint8 **data, size_t *size);
static bool run_record(uint8 type, uint8 flags, uint8 id, const uint8 *payload,
					   size_t length);
static bool receive_frame(uint8 type, uint8 flags, uint8 id,
						  const uint8 *payload, size_t length);
static bool receive(const uint8 *bytes, size_t length);
static void output(void);
static void submit(Request *request, const Message *message);
static void done(Http2Stream *stream, Http2End end);
static Request *request_of(ResponseSink *sink);
static bool take_begin(ResponseSink *sink, const char *version, int status);
static bool take_field(ResponseSink *sink, const char *name, size_t name_length,
					   const char *value, size_t value_length);
static bool take_head(ResponseSink *sink, int64 content_length);
static SinkResult take_body(ResponseSink *sink, const char *bytes,
							size_t length);

/*
 * A byte that says what is done in done(), and records: type, flags and stream
 * of a frame, the length of its payload, and that.
 */
void
fuzz_http2(const uint8 *data, size_t size)
{
	static const HttpError none = {0};

	if (size == 0)
		return;
	resubmits = data[0] & 1;
	data++;
	size--;
	nopen = 0;
	http2 = pgnet_http2_create(MAX_HEAD_BYTES);
	FUZZ_CHECK(http2 != NULL);
	memset(requests, 0, sizeof(requests));
	for (int i = 0; i < NKINDS; i++)
		submit(&requests[i], &kinds[i]);
	output();
	while (next_record(&data, &size))
		FUZZ_CHECK(pgnet_http2_streams(http2) == nopen);
	output();

	resubmits = false;
	pgnet_http2_end(http2, &none);
	for (int i = 0; i < NSTREAMS; i++)
	{
		requests[i].pauses = false;
		if (requests[i].open)
			pgnet_http2_resume(http2, &requests[i].stream);
	}
	FUZZ_CHECK(nopen == 0 && pgnet_http2_streams(http2) == 0);
	FUZZ_CHECK(pgnet_http2_is_closing(http2));
	pgnet_http2_free(http2);
}

/* Take a record; false: there is no more, or the connection is over. */
static bool
next_record(const uint8 **data, size_t *size)
{
	const uint8 *record = *data;
	size_t		length;

	if (*size < 4)
		return false;
	length = Min(record[3], *size - 4);
	*data += 4 + length;
	*size -= 4 + length;
	return run_record(record[0], record[1], record[2], record + 4, length);
}

/* Do what it says. */
static bool
run_record(uint8 type, uint8 flags, uint8 id, const uint8 *payload,
		   size_t length)
{
	Request    *request = &requests[id % NSTREAMS];

	request->pauses = type >= RECORD_SUBMIT && (flags & 1);
	request->stops = type >= RECORD_SUBMIT && (flags & 2);
	switch (type)
	{
		case RECORD_BYTES:
			return receive(payload, length);
		case RECORD_SUBMIT:
			submit(request, &kinds[flags % NKINDS]);
			return true;
		case RECORD_CANCEL:
			nopen -= request->open;
			if (request->open)
				pgnet_http2_cancel(http2, &request->stream);
			request->open = false;
			return true;
		case RECORD_RESUME:
			if (request->open)
				pgnet_http2_resume(http2, &request->stream);
			return true;
		case RECORD_OUTPUT:
			output();
			return true;
		default:
			return receive_frame(type, flags, id, payload, length);
	}
}

/* Let a frame arrive. */
static bool
receive_frame(uint8 type, uint8 flags, uint8 id, const uint8 *payload,
			  size_t length)
{
	uint8		frame[FRAME_HEADER_BYTES + PG_UINT8_MAX] = {
		0, 0, length, type, flags, 0, 0, 0, id
	};

	if (length > 0)
		memcpy(frame + FRAME_HEADER_BYTES, payload, length);
	return receive(frame, FRAME_HEADER_BYTES + length);
}

/* Let bytes arrive. */
static bool
receive(const uint8 *bytes, size_t length)
{
	HttpError	error = {0};

	if (pgnet_http2_receive(http2, (const char *) bytes, length, &error))
		return true;
	FUZZ_CHECK(error.problem != PGNET_NO_PROBLEM);
	pgnet_http2_end(http2, &error);
	return false;
}

/* Send what there is to be sent. */
static void
output(void)
{
	char		bytes[OUTPUT_BYTES];

	while (pgnet_http2_output(http2, bytes, sizeof(bytes)) > 0)
		;
}

/* Send a request, if it is not open, and there is room. */
static void
submit(Request *request, const Message *message)
{
	static const ResponseSinkOperations operations = {
		take_begin, take_field, take_head, take_body
	};

	if (request->open || pgnet_http2_room(http2) <= 0)
		return;
	*request = (Request) {
		.stream = {
			.message = message,
			.sink = &request->sink,
			.done = done
		},
		.sink.operations = &operations,
		.message = message,
		.open = true,
		.pauses = request->pauses,
		.stops = request->stops
	};
	FUZZ_CHECK(pgnet_http2_submit(http2, &request->stream));
	nopen++;
}

/* It is over, once. */
static void
done(Http2Stream *stream, Http2End end)
{
	Request    *request = (Request *) stream;

	FUZZ_CHECK(request->open);
	request->open = false;
	nopen--;
	FUZZ_CHECK(stream->kept == NULL);
	FUZZ_CHECK((end == PGNET_HTTP2_COMPLETE || end == PGNET_HTTP2_STOPPED) ==
			   (stream->error.problem == PGNET_NO_PROBLEM));
	FUZZ_CHECK(stream->begun || request->nbegun == 0);
	FUZZ_CHECK(stream->sent || !stream->begun);
	if (end == PGNET_HTTP2_COMPLETE)
		FUZZ_CHECK(request->nheads == 1);
	if (end == PGNET_HTTP2_NOT_PROCESSED)
		FUZZ_CHECK(request->nbegun == 0);
	if (end == PGNET_HTTP2_NOT_PROCESSED && resubmits)
		submit(request, request->message);
}

/* Whose sink is it?  It gets nothing after done(). */
static Request *
request_of(ResponseSink *sink)
{
	Request    *request = (Request *)
		((char *) sink - offsetof(Request, sink));

	FUZZ_CHECK(request->open);
	return request;
}

/* Of the sink: a response begins, after interim ones. */
static bool
take_begin(ResponseSink *sink, const char *version, int status)
{
	Request    *request = request_of(sink);

	FUZZ_CHECK(strcmp(version, "2") == 0);
	FUZZ_CHECK(status >= 100 && status <= 999);
	FUZZ_CHECK(request->nheads == 0);
	FUZZ_CHECK(++request->nbegun <= 102);
	return !request->stops;
}

/* Of the sink: a field. */
static bool
take_field(ResponseSink *sink, const char *name, size_t name_length,
		   const char *value, size_t value_length)
{
	Request    *request = request_of(sink);

	FUZZ_CHECK(request->nbegun > 0);
	FUZZ_CHECK(name_length > 0 && name[0] != ':');
	FUZZ_CHECK(name_length + value_length <= MAX_HEAD_BYTES);
	for (size_t i = 0; i < name_length; i++)
		FUZZ_CHECK(name[i] > ' ' && (name[i] < 'A' || name[i] > 'Z'));
	for (size_t i = 0; i < value_length; i++)
		FUZZ_CHECK(strchr("\r\n", value[i]) == NULL);
	return true;
}

/* Of the sink: a header section is complete. */
static bool
take_head(ResponseSink *sink, int64 content_length)
{
	Request    *request = request_of(sink);

	FUZZ_CHECK(request->nbegun > 0);
	FUZZ_CHECK(++request->nheads == 1);
	FUZZ_CHECK(content_length >= -1);
	return true;
}

/* Of the sink: a piece of the body. */
static SinkResult
take_body(ResponseSink *sink, const char *bytes, size_t length)
{
	Request    *request = request_of(sink);

	FUZZ_CHECK(request->nheads == 1);
	FUZZ_CHECK(request->stream.kept_length <= MAX_KEPT_BYTES);
	if (request->pauses)
		return PGNET_SINK_PAUSED;
	return request->stops ? PGNET_SINK_STOPPED : PGNET_SINK_TAKEN;
}
