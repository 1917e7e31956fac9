/*
 * http1.c -- fuzzes src/http/http1_response.c: a response, in pieces.
 *
 * What it says must depend neither on the pieces in which it comes, nor on
 * pauses of whoever takes it.
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "fuzz.h"
#include "http/http1_response.h"

/* Of the first byte of the input. */
#define TO_HEAD 0x01
#define TO_CONNECT 0x02
#define BY_PROXY 0x04
#define SMALL_HEAD 0x08
#define END_BY_ERROR 0x40

/* How it comes. */
typedef enum Pieces
{
	WHOLE,
	BYTES,
	RANDOM,
	RANDOM_WITH_PAUSES
} Pieces;

/* What was said, as text. */
typedef struct Listener
{
	ResponseSink sink;
	StringInfoData said;
	StringInfoData body;
	bool		begun;
	bool		in_body;
	int			status;
	int64		content_length;
	bool		pauses;
	uint32		random;
} Listener;

static void listen_to(Listener *listener, const uint8 *data, size_t size, Pieces pieces);
static Http1Status give(Http1Response *response, Listener *listener, const uint8 *data, size_t size,
						Pieces pieces, size_t *given);
static void check_result(const Http1Response *response, const Listener *listener, Http1Status status);
static bool are_the_same(const Listener *one, const Listener *other);
static bool begin(ResponseSink *sink, const char *version, int status);
static bool field(ResponseSink *sink, const char *name, size_t name_length, const char *value,
				  size_t value_length);
static bool head(ResponseSink *sink, int64 content_length);
static SinkResult body(ResponseSink *sink, const char *bytes, size_t length);
static bool is_clean(const char *bytes, size_t length);
static uint32 next_random(Listener *listener);

/* A byte that says what was asked, one for the pieces, and the response. */
void
fuzz_http1(const uint8 *data, size_t size)
{
	Listener whole;

	if (size < 2)
		return;
	listen_to(&whole, data, size, WHOLE);
	for (int pieces = BYTES; pieces <= RANDOM_WITH_PAUSES; pieces++)
	{
		Listener other;

		listen_to(&other, data, size, pieces);
		FUZZ_CHECK(are_the_same(&whole, &other));
	}
}

/* Take it. */
static void
listen_to(Listener *listener, const uint8 *data, size_t size, Pieces pieces)
{
	static const ResponseSinkOperations operations = {begin, field, head, body};
	static const HttpError cut = {PGNET_PROBLEM_RECEIVE, 0, "unexpected eof while reading"};
	Http1Response response = {
		.sink = &listener->sink,
		.to_head = (data[0] & TO_HEAD) != 0,
		.to_connect = (data[0] & TO_CONNECT) != 0,
		.by_proxy = (data[0] & BY_PROXY) != 0,
		.max_head_bytes = data[0] & SMALL_HEAD ? 100 : 64 * 1024,
	};
	Http1Status status;
	size_t		given;

	*listener = (Listener) {
		.sink.operations = &operations,
		.pauses = pieces == RANDOM_WITH_PAUSES,
		.random = data[1],
	};
	initStringInfo(&listener->said);
	initStringInfo(&listener->body);
	pgnet_http1_response_init(&response);
	status = give(&response, listener, data + 2, size - 2, pieces, &given);
	FUZZ_CHECK(response.begun == (size > 2));
	if (status == PGNET_HTTP1_MORE)
	{
		FUZZ_CHECK(given == size - 2);
		status = pgnet_http1_response_end(&response, data[0] & END_BY_ERROR ? &cut : NULL);
	}
	check_result(&response, listener, status);
	/* something else may be wrong at the very byte where the limit is */
	if ((data[0] & SMALL_HEAD) == 0)
		appendStringInfo(&listener->said, "%d %s ", response.error.problem, response.error.detail);
	appendStringInfo(&listener->said, "%d", status);
	if (status == PGNET_HTTP1_COMPLETE)
		appendStringInfo(&listener->said, " %zu", given);
	pgnet_http1_response_free(&response);
}

/* Give it in pieces, each in memory of its own, until it is over. */
static Http1Status
give(Http1Response *response, Listener *listener, const uint8 *data, size_t size, Pieces pieces,
	 size_t *given)
{
	Http1Status status = PGNET_HTTP1_MORE;

	*given = 0;
	while (*given < size && (status == PGNET_HTTP1_MORE || status == PGNET_HTTP1_PAUSED))
	{
		size_t		length = pieces == WHOLE ? size : pieces == BYTES ? 1 : 1 + next_random(listener) % 50;
		size_t		taken;
		char	   *piece;

		length = Min(length, size - *given);
		piece = malloc(length);
		FUZZ_CHECK(piece != NULL);
		memcpy(piece, data + *given, length);
		status = pgnet_http1_response_take(response, piece, length, &taken);
		free(piece);
		FUZZ_CHECK(taken == length || (taken < length && status != PGNET_HTTP1_MORE));
		FUZZ_CHECK(status != PGNET_HTTP1_PAUSED || listener->pauses);
		*given += taken;
	}
	return status;
}

/* It is complete, or says why not. */
static void
check_result(const Http1Response *response, const Listener *listener, Http1Status status)
{
	FUZZ_CHECK(status == PGNET_HTTP1_COMPLETE || status == PGNET_HTTP1_FAILED);
	FUZZ_CHECK((status == PGNET_HTTP1_FAILED) == (response->error.problem != PGNET_NO_PROBLEM));
	FUZZ_CHECK(is_clean(response->error.detail, strlen(response->error.detail)));
	if (status == PGNET_HTTP1_FAILED)
		return;
	FUZZ_CHECK(listener->in_body && (listener->status >= 200 || listener->status == 101));
	FUZZ_CHECK(response->status == listener->status);
	FUZZ_CHECK(listener->content_length < 0 || listener->content_length == listener->body.len);
}

/* Was the same said? */
static bool
are_the_same(const Listener *one, const Listener *other)
{
	return strcmp(one->said.data, other->said.data) == 0 && one->body.len == other->body.len &&
		memcmp(one->body.data, other->body.data, one->body.len) == 0;
}

/* A response begins. */
static bool
begin(ResponseSink *sink, const char *version, int status)
{
	Listener *listener = (Listener *) sink;

	FUZZ_CHECK(!listener->begun && !listener->in_body);
	FUZZ_CHECK(status >= 100 && status <= 999);
	listener->begun = true;
	listener->status = status;
	appendStringInfo(&listener->said, "begin %s %d\n", version, status);
	return true;
}

/* A field of it. */
static bool
field(ResponseSink *sink, const char *name, size_t name_length, const char *value, size_t value_length)
{
	Listener *listener = (Listener *) sink;

	FUZZ_CHECK(listener->begun || listener->in_body);
	FUZZ_CHECK(name_length > 0 && is_clean(name, name_length) && memchr(name, ':', name_length) == NULL);
	FUZZ_CHECK(is_clean(value, value_length));
	FUZZ_CHECK(value_length == 0 || (*value != ' ' && value[value_length - 1] != ' '));
	appendStringInfo(&listener->said, "field %.*s:%.*s\n", (int) name_length, name, (int) value_length, value);
	return true;
}

/* The end of its header section. */
static bool
head(ResponseSink *sink, int64 content_length)
{
	Listener *listener = (Listener *) sink;

	FUZZ_CHECK(listener->begun && content_length >= -1);
	listener->begun = false;
	listener->in_body = listener->status >= 200 || listener->status == 101;
	listener->content_length = content_length;
	appendStringInfo(&listener->said, "head " INT64_FORMAT "\n", content_length);
	return true;
}

/* Some of its body. */
static SinkResult
body(ResponseSink *sink, const char *bytes, size_t length)
{
	Listener *listener = (Listener *) sink;

	FUZZ_CHECK(listener->in_body && length > 0);
	if (listener->pauses && next_random(listener) % 2 == 0)
		return PGNET_SINK_PAUSED;
	appendBinaryStringInfo(&listener->body, bytes, (int) length);
	return PGNET_SINK_TAKEN;
}

/* Is there nothing in it that ends a line or a string? */
static bool
is_clean(const char *bytes, size_t length)
{
	return memchr(bytes, '\0', length) == NULL && memchr(bytes, '\r', length) == NULL &&
		memchr(bytes, '\n', length) == NULL;
}

/* A number that is the same for the same input. */
static uint32
next_random(Listener *listener)
{
	listener->random = listener->random * 1103515245 + 12345;
	return listener->random >> 16;
}
