/*
 * http2_response.c -- what comes over a connection with HTTP/2.
 *
 * Runs in: workers.
 *
 * nghttp2 has checked most of it (RFC 9113, section 8).
 */
#include "postgres.h"

#include "common/int.h"

#include "http/http2_ending.h"
#include "http/http2_head.h"
#include "http/http2_response.h"

/* Interim responses to one request. */
#define MAX_INTERIM 100

/* What a field counts for beside its bytes, as in HTTP/1.1: ": " and an end. */
#define FIELD_OVERHEAD 4

#define CONTENT_LENGTH "content-length"

/* From this status on the server does not want the rest of a request's body. */
#define FIRST_REFUSAL 300

/* The room for what a sink does not take, at first. */
#define FIRST_KEPT 4096

static int	on_begin_headers(nghttp2_session *session,
							 const nghttp2_frame *frame, void *arg);
static int	on_header(nghttp2_session *session, const nghttp2_frame *frame,
					  const uint8_t *name, size_t name_length,
					  const uint8_t *value, size_t value_length, uint8_t flags,
					  void *arg);
static int	on_invalid_header(nghttp2_session *session,
							  const nghttp2_frame *frame, const uint8_t *name,
							  size_t name_length, const uint8_t *value,
							  size_t value_length, uint8_t flags, void *arg);
static void refuse(Http2 *http2, Http2Stream *stream);
static bool is_malformed(const uint8 *name, size_t name_length,
						 const uint8 *value, size_t value_length);
static void take_status(Http2 *http2, Http2Stream *stream, const char *value,
						size_t length);
static void take_field(Http2 *http2, Http2Stream *stream, const char *name,
					   size_t name_length, const char *value,
					   size_t value_length);
static int64 number_in(const char *digits, size_t length);
static int	on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame,
						  void *arg);
static void take_head(Http2 *http2, Http2Stream *stream, bool is_all);
static void take_interim(Http2 *http2, Http2Stream *stream);
static void take_end(Http2 *http2, Http2Stream *stream);
static int	take_goaway(Http2 *http2, const nghttp2_goaway *goaway);
static int	on_stream_close(nghttp2_session *session, int32_t id, uint32_t code,
							void *arg);
static int	on_data(nghttp2_session *session, uint8_t flags, int32_t id,
					const uint8_t *bytes, size_t length, void *arg);
static void take_body(Http2 *http2, Http2Stream *stream, const char *bytes,
					  size_t length);
static void consume(Http2 *http2, Http2Stream *stream, size_t length);
static bool keep(Http2Stream *stream, const char *bytes, size_t length);

/* Have nghttp2 tell. */
void
pgnet_http2_response_callbacks(nghttp2_session_callbacks *callbacks)
{
#define SET(event, callback) \
	nghttp2_session_callbacks_set_##event##_callback(callbacks, callback)
	SET(on_begin_headers, on_begin_headers);
	SET(on_header, on_header);
	SET(on_invalid_header, on_invalid_header);
	SET(on_frame_recv, on_frame_recv);
	SET(on_data_chunk_recv, on_data);
	SET(on_stream_close, on_stream_close);
#undef SET
}

/* Give a sink what came while it had no room. */
void
pgnet_http2_resume(Http2 *http2, Http2Stream *stream)
{
	ResponseSink *sink = stream->sink;
	SinkResult	result = PGNET_SINK_TAKEN;

	if (!stream->listed || !stream->paused)
		return;
	if (stream->kept_length > 0)
		result = sink->operations->body(sink, stream->kept,
										stream->kept_length);
	if (result != PGNET_SINK_PAUSED)
	{
		stream->paused = false;
		consume(http2, stream, stream->kept_length);
		pgnet_http2_stream_release(stream);
		if (result == PGNET_SINK_STOPPED)
			pgnet_http2_stream_stop(http2, stream);
		else if (!stream->attached)
			pgnet_http2_stream_complete(http2, stream);
	}
	(void) pgnet_http2_call_done(http2);
}

/* Callback of nghttp2: a header section begins, or trailers. */
static int
on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame,
				 void *arg)
{
	Http2	   *http2 = arg;
	Http2Stream *stream = pgnet_http2_stream_of(session, frame->hd.stream_id);

	http2->block_bytes = 0;
	if (stream != NULL && !stream->head_came)
		stream->status = 0;
	return 0;
}

/*
 * Callback of nghttp2: a field.  One that is too large is that stream's end;
 * but the others have to wait until it is over, and that is the connection's.
 */
static int
on_header(nghttp2_session *session, const nghttp2_frame *frame,
		  const uint8_t *name, size_t name_length, const uint8_t *value,
		  size_t value_length, uint8_t flags, void *arg)
{
	Http2	   *http2 = arg;
	Http2Stream *stream = pgnet_http2_stream_of(session, frame->hd.stream_id);
	size_t		bytes = name_length + value_length + FIELD_OVERHEAD;

	(void) flags;
	http2->block_bytes += bytes;
	if (http2->block_bytes / 2 > http2->max_head_bytes)
	{
		pgnet_error_set(&http2->error, PGNET_PROBLEM_HTTP2,
						"a header section does not end");
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	}
	if (stream == NULL)
		return 0;
	stream->head_bytes += bytes;
	if (stream->head_bytes > http2->max_head_bytes)
	{
		pgnet_error_set(&stream->error, PGNET_PROBLEM_HEADERS_TOO_LARGE, "%s",
						"");
		pgnet_http2_stream_fail(http2, stream, NGHTTP2_CANCEL);
	}
	/* the others that begin so nghttp2 has refused */
	else if (name[0] == ':')
		take_status(http2, stream, (const char *) value, value_length);
	else
		take_field(http2, stream, (const char *) name, name_length,
				   (const char *) value, value_length);
	return 0;
}

/*
 * Callback of nghttp2: a field that it would rather ignore.  It asks for more
 * than RFC 9113 does, such as no 0x01 in a value.
 */
static int
on_invalid_header(nghttp2_session *session, const nghttp2_frame *frame,
				  const uint8_t *name, size_t name_length, const uint8_t *value,
				  size_t value_length, uint8_t flags, void *arg)
{
	Http2Stream *stream = pgnet_http2_stream_of(session, frame->hd.stream_id);

	if (!is_malformed(name, name_length, value, value_length))
		return on_header(session, frame, name, name_length, value, value_length,
						 flags, arg);
	if (stream != NULL)
		refuse(arg, stream);
	return 0;
}

/* A response is malformed (RFC 9113, section 8.1.1). */
static void
refuse(Http2 *http2, Http2Stream *stream)
{
	pgnet_http2_stream_set_reset(stream, NGHTTP2_PROTOCOL_ERROR);
	pgnet_http2_stream_fail(http2, stream, NGHTTP2_PROTOCOL_ERROR);
}

/* Does a field break RFC 9113, section 8.2.1? */
static bool
is_malformed(const uint8 *name, size_t name_length, const uint8 *value,
			 size_t value_length)
{
	for (size_t i = 0; i < name_length; i++)
		if (name[i] <= ' ' || name[i] >= 0x7f || name[i] == ':' ||
			(name[i] >= 'A' && name[i] <= 'Z'))
			return true;
	for (size_t i = 0; i < value_length; i++)
		if (value[i] == '\0' || value[i] == '\r' || value[i] == '\n')
			return true;
	return name_length == 0;
}

/* A response begins, or an interim one. */
static void
take_status(Http2 *http2, Http2Stream *stream, const char *value, size_t length)
{
	ResponseSink *sink = stream->sink;

	stream->begun = true;
	stream->status = (int) number_in(value, length);
	stream->content_length = -1;
	if (stream->status < 100)
		refuse(http2, stream);
	else if (!sink->operations->begin(sink, "2", stream->status))
		pgnet_http2_stream_stop(http2, stream);
}

/* A field comes; nghttp2 misses the status only when all of them have. */
static void
take_field(Http2 *http2, Http2Stream *stream, const char *name,
		   size_t name_length, const char *value, size_t value_length)
{
	ResponseSink *sink = stream->sink;

	if (stream->status == 0)
	{
		refuse(http2, stream);
		return;
	}
	pgnet_http2_trim(&value, &value_length);
	if (!stream->head_came && name_length == strlen(CONTENT_LENGTH) &&
		memcmp(name, CONTENT_LENGTH, name_length) == 0)
		stream->content_length = number_in(value, value_length);
	if (!sink->operations->field(sink, name, name_length, value, value_length))
		pgnet_http2_stream_stop(http2, stream);
}

/* A number, which nghttp2 has looked at; -1: it is none. */
static int64
number_in(const char *digits, size_t length)
{
	int64		number = 0;

	for (size_t i = 0; i < length; i++)
	{
		if (digits[i] < '0' || digits[i] > '9' ||
			pg_mul_s64_overflow(number, 10, &number) ||
			pg_add_s64_overflow(number, digits[i] - '0', &number))
			return -1;
	}
	return length > 0 ? number : -1;
}

/* Callback of nghttp2: a frame has come, whole and as it should be. */
static int
on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	Http2	   *http2 = arg;
	bool		is_last = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
	Http2Stream *stream;

	if (frame->hd.type == NGHTTP2_GOAWAY)
		return take_goaway(http2, &frame->goaway);
	if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
		return 0;
	stream = pgnet_http2_stream_of(session, frame->hd.stream_id);
	if (stream == NULL)
		return 0;
	if (frame->hd.type == NGHTTP2_HEADERS && !stream->head_came)
		take_head(http2, stream, is_last);
	if (is_last && stream->attached && stream->head_came)
		take_end(http2, stream);
	return 0;
}

/*
 * A header section is complete.  is_all: so is the response.  Nothing follows
 * that of HEAD either, whatever it says (RFC 9110, section 9.3.2).
 */
static void
take_head(Http2 *http2, Http2Stream *stream, bool is_all)
{
	ResponseSink *sink = stream->sink;

	if (stream->status < 200)
	{
		take_interim(http2, stream);
		return;
	}
	stream->head_came = true;
	if (is_all || strcmp(stream->message->method, "HEAD") == 0)
		stream->content_length = 0;
	if (!sink->operations->head(sink, stream->content_length))
		pgnet_http2_stream_stop(http2, stream);
}

/* Another one is to follow, but not for ever. */
static void
take_interim(Http2 *http2, Http2Stream *stream)
{
	if (++stream->ninterim <= MAX_INTERIM)
		return;
	pgnet_error_set(&stream->error, PGNET_PROBLEM_HTTP2_STREAM,
					"more than %d interim responses came", MAX_INTERIM);
	pgnet_http2_stream_fail(http2, stream, NGHTTP2_CANCEL);
}

/*
 * END_STREAM came.  nghttp2 closes the stream once the request was sent, too;
 * but a server that refuses it has no use for the rest (RFC 9113, section 8.1).
 */
static void
take_end(Http2 *http2, Http2Stream *stream)
{
	stream->ended = true;
	if (stream->status < FIRST_REFUSAL || !pgnet_http2_has_upload(stream))
		return;
	pgnet_http2_stream_reset(http2, stream, NGHTTP2_NO_ERROR);
	pgnet_http2_stream_complete(http2, stream);
}

/*
 * The server takes no more; which ones has it not taken (RFC 9113, section
 * 6.8)?  After an error it is to close the connection (5.4.1): nothing comes
 * any more, and nginx may leave it open as long as it has streams.
 */
static int
take_goaway(Http2 *http2, const nghttp2_goaway *goaway)
{
	dlist_mutable_iter iter;

	http2->last_id = goaway->last_stream_id;
	dlist_foreach_modify(iter, &http2->streams)
	{
		Http2Stream *stream = dlist_container(Http2Stream, node, iter.cur);

		/* nghttp2 closes them as well */
		if (stream->attached && (stream->id > http2->last_id || !stream->sent))
		{
			pgnet_http2_stream_detach(http2, stream);
			pgnet_http2_stream_set_reset(stream, NGHTTP2_REFUSED_STREAM);
			pgnet_http2_stream_lose(http2, stream, true);
		}
	}
	if (goaway->error_code == NGHTTP2_NO_ERROR)
		return 0;
	pgnet_error_set(&http2->error, PGNET_PROBLEM_HTTP2,
					"the server ended the connection: %s (err %u)",
					nghttp2_http2_strerror(goaway->error_code),
					goaway->error_code);
	return NGHTTP2_ERR_CALLBACK_FAILURE;
}

/* Callback of nghttp2: a stream is closed, for whatever reason. */
static int
on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *arg)
{
	Http2	   *http2 = arg;
	Http2Stream *stream = pgnet_http2_stream_of(session, id);
	bool		refused = code == NGHTTP2_REFUSED_STREAM;

	if (stream == NULL)
		return 0;
	pgnet_http2_stream_detach(http2, stream);
	pgnet_http2_stream_set_reset(stream, code);
	stream->needs_http1 = code == NGHTTP2_HTTP_1_1_REQUIRED;
	pgnet_http2_stream_lose(http2, stream, refused || stream->needs_http1);
	return 0;
}

/*
 * Callback of nghttp2: bytes of a body.  The connection's window is for all,
 * the stream's is opened when they were taken.
 */
static int
on_data(nghttp2_session *session, uint8_t flags, int32_t id,
		const uint8_t *bytes, size_t length, void *arg)
{
	Http2	   *http2 = arg;
	Http2Stream *stream = pgnet_http2_stream_of(session, id);
	int			result = nghttp2_session_consume_connection(session, length);

	(void) flags;
	if (result != 0)
	{
		pgnet_http2_set_error(http2, result);
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	}
	if (stream != NULL)
		take_body(http2, stream, (const char *) bytes, length);
	return 0;
}

/* Give them to the sink, or keep them. */
static void
take_body(Http2 *http2, Http2Stream *stream, const char *bytes, size_t length)
{
	ResponseSink *sink = stream->sink;
	SinkResult	result = PGNET_SINK_PAUSED;

	if (!stream->paused)
		result = sink->operations->body(sink, bytes, length);
	stream->paused = result == PGNET_SINK_PAUSED;
	if (result == PGNET_SINK_TAKEN)
		consume(http2, stream, length);
	else if (result == PGNET_SINK_STOPPED)
		pgnet_http2_stream_stop(http2, stream);
	else if (!keep(stream, bytes, length))
	{
		pgnet_error_set(&stream->error, PGNET_PROBLEM_MEMORY, "%s", "");
		pgnet_http2_stream_fail(http2, stream, NGHTTP2_CANCEL);
	}
}

/* That much more may come on a stream. */
static void
consume(Http2 *http2, Http2Stream *stream, size_t length)
{
	/* it fails when memory is out, and will again before long */
	if (stream->attached)
		(void) nghttp2_session_consume_stream(http2->session, stream->id,
											  length);
}

/* Keep bytes, of which the stream's window lets only so many come. */
static bool
keep(Http2Stream *stream, const char *bytes, size_t length)
{
	size_t		needed = stream->kept_length + length;

	if (needed > stream->kept_room)
	{
		size_t		room = Max(Max(needed, stream->kept_room * 2), FIRST_KEPT);
		char	   *wider = realloc(stream->kept, room);

		if (wider == NULL)
			return false;
		stream->kept = wider;
		stream->kept_room = room;
	}
	memcpy(stream->kept + stream->kept_length, bytes, length);
	stream->kept_length = needed;
	return true;
}
