/*
 * http2.c -- HTTP/2 on one connection, by nghttp2 (RFC 9113).
 *
 * Runs in: workers.
 *
 * nghttp2 frames, compresses, and checks what comes; http2_response.c hands
 * that on, and http2_ending.c says what became of a stream.
 */
#include "postgres.h"

#include "http/http2_ending.h"
#include "http/http2_head.h"
#include "http/http2_response.h"

/*
 * What a peer may send of one body that its sink does not take, which is what a
 * paused stream costs; and of all of them together, so that one that is paused
 * does not stop the others.
 */
#define STREAM_WINDOW 65535
#define CONNECTION_WINDOW (1 << 24)

/*
 * Frames that may wait for being sent, beside a few for each stream, and among
 * them answers to PING and SETTINGS.  A peer could have us make more and more,
 * and not read them.
 */
#define MAX_WAITING 4000
#define MAX_ANSWERS 100

/* The header section of a request, as a peer counts it. */
#define MAX_SENT_HEAD ((size_t) 16 * 1024 * 1024)

static bool open_session(Http2 *http2);
static void set_options(nghttp2_option *options);
static bool introduce(Http2 *http2);
static void prepare(Http2Stream *stream);
static bool is_too_large(Http2 *http2, Http2Stream *stream,
						 const Http2Head *head);
static bool begin(Http2 *http2, Http2Stream *stream, const Http2Head *head);
static uint32 setting_of_peer(const Http2 *http2, nghttp2_settings_id setting);
static size_t fill(Http2 *http2, char *bytes, size_t size);
static size_t take_rest(Http2 *http2, char *bytes, size_t size);
static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *bytes,
						 size_t size, uint32_t *flags,
						 nghttp2_data_source *source, void *arg);
static int	on_sent(nghttp2_session *session, const nghttp2_frame *frame,
					void *arg);
static int	on_not_sent(nghttp2_session *session, const nghttp2_frame *frame,
						int code, void *arg);
static bool is_flooded(Http2 *http2);

/* Make one. */
Http2 *
pgnet_http2_create(size_t max_head_bytes)
{
	Http2	   *http2 = calloc(1, sizeof(Http2));

	if (http2 == NULL)
		return NULL;
	http2->max_head_bytes = max_head_bytes;
	http2->last_id = PG_INT32_MAX;
	dlist_init(&http2->streams);
	dlist_init(&http2->finished);
	if (open_session(http2) && introduce(http2))
		return http2;
	pgnet_http2_free(http2);
	return NULL;
}

/* Free it. */
void
pgnet_http2_free(Http2 *http2)
{
	dlist_iter	iter;

	dlist_foreach(iter, &http2->streams)
	{
		pgnet_http2_stream_release(dlist_container(Http2Stream, node,
												   iter.cur));
	}
	nghttp2_session_del(http2->session);
	free(http2);
}

/* How many may come? */
int
pgnet_http2_room(const Http2 *http2)
{
	uint32		most;
	uint32		next_id;
	uint32		open = http2->nattached;

	if (pgnet_http2_is_closing(http2))
		return 0;
	/* nghttp2 takes 100, until the server says more or less */
	most = setting_of_peer(http2, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
	most = most > open ? most - open : 0;
	/* an id is used once (RFC 9113, section 5.1.1), and they are odd */
	next_id = nghttp2_session_get_next_stream_id(http2->session);
	return Min(most, (PG_INT32_MAX - next_id) / 2 + 1);
}

/* Does it take no more? */
bool
pgnet_http2_is_closing(const Http2 *http2)
{
	return http2->over ||
		!nghttp2_session_check_request_allowed(http2->session);
}

/* How many are there? */
int
pgnet_http2_streams(const Http2 *http2)
{
	return http2->nstreams;
}

/* Send a request. */
bool
pgnet_http2_submit(Http2 *http2, Http2Stream *stream)
{
	Http2Head	head;
	bool		begun = true;

	if (pgnet_http2_room(http2) <= 0 ||
		!pgnet_http2_head_init(&head, stream->message))
		return false;
	prepare(stream);
	if (is_too_large(http2, stream, &head))
		stream->end = PGNET_HTTP2_FAILED;
	else
		begun = begin(http2, stream, &head);
	pgnet_http2_head_free(&head);
	if (!begun)
		return false;

	stream->listed = true;
	dlist_push_tail(stream->attached ? &http2->streams : &http2->finished,
					&stream->node);
	http2->nstreams++;
	return true;
}

/* End a stream without done(). */
void
pgnet_http2_cancel(Http2 *http2, Http2Stream *stream)
{
	if (!stream->listed)
		return;
	pgnet_http2_stream_reset(http2, stream, NGHTTP2_CANCEL);
	pgnet_http2_stream_release(stream);
	stream->listed = false;
	dlist_delete(&stream->node);
	http2->nstreams--;
}

/* Take bytes from the peer. */
bool
pgnet_http2_receive(Http2 *http2, const char *bytes, size_t length,
					HttpError *error)
{
	if (!http2->over)
	{
		ssize_t		result = NGHTTP2_ERR_FLOODED;

		http2->busy = true;
		if (!is_flooded(http2))
			result = nghttp2_session_mem_recv(http2->session,
											  (const uint8_t *) bytes, length);
		http2->busy = false;
		if (result < 0)
			pgnet_http2_set_error(http2, (int) result);
		http2->over = result < 0;
		(void) pgnet_http2_call_done(http2);
	}
	if (http2->over)
		*error = http2->error;
	return !http2->over;
}

/* Fill bytes with what is to be sent; what ends meanwhile may lead to more. */
size_t
pgnet_http2_output(Http2 *http2, char *bytes, size_t size)
{
	size_t		used = 0;

	do
	{
		used += fill(http2, bytes + used, size - used);
		if (http2->error.problem != PGNET_NO_PROBLEM && !http2->over)
			pgnet_http2_break_off(http2, &http2->error);
	} while (pgnet_http2_call_done(http2) && used < size);
	return used;
}

/* The connection is over. */
void
pgnet_http2_end(Http2 *http2, const HttpError *error)
{
	pgnet_http2_break_off(http2, error);
	(void) pgnet_http2_call_done(http2);
}

/* Have nghttp2 make what it keeps of a connection. */
static bool
open_session(Http2 *http2)
{
	nghttp2_session_callbacks *callbacks = NULL;
	nghttp2_option *options = NULL;

	if (nghttp2_session_callbacks_new(&callbacks) == 0 &&
		nghttp2_option_new(&options) == 0)
	{
		nghttp2_session_callbacks_set_on_frame_send_callback(callbacks,
															 on_sent);
		nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks,
																 on_not_sent);
		pgnet_http2_response_callbacks(callbacks);
		set_options(options);
		if (nghttp2_session_client_new2(&http2->session, callbacks, http2,
										options) != 0)
			http2->session = NULL;
	}
	nghttp2_session_callbacks_del(callbacks);
	nghttp2_option_del(options);
	return http2->session != NULL;
}

/*
 * What nghttp2 leaves to us.  Blanks around the values of fields, which servers
 * send although they should not (RFC 9113, section 8.2.1), are trimmed.
 */
static void
set_options(nghttp2_option *options)
{
	nghttp2_option_set_no_auto_window_update(options, 1);
	nghttp2_option_set_max_outbound_ack(options, MAX_ANSWERS);
	nghttp2_option_set_max_send_header_block_length(options, MAX_SENT_HEAD);
	nghttp2_option_set_no_rfc9113_leading_and_trailing_ws_validation(options,
																	 1);
}

/* The first frames (RFC 9113, section 3.4). */
static bool
introduce(Http2 *http2)
{
	nghttp2_settings_entry settings[] = {
		{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
		{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW},
		{NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE,
		 (uint32_t) http2->max_head_bytes}
	};

	return nghttp2_submit_settings(http2->session, NGHTTP2_FLAG_NONE, settings,
								   lengthof(settings)) == 0 &&
		nghttp2_session_set_local_window_size(http2->session, NGHTTP2_FLAG_NONE,
											  0, CONNECTION_WINDOW) == 0;
}

/* Nothing has come of it yet. */
static void
prepare(Http2Stream *stream)
{
	*stream = (Http2Stream) {
		.message = stream->message,
		.sink = stream->sink,
		.done = stream->done,
		.content_length = -1
	};
}

/*
 * Has the peer said that it does not take that much (RFC 9113, section 6.5.2)?
 * It may say so later, and it may have a limit without saying so.
 */
static bool
is_too_large(Http2 *http2, Http2Stream *stream, const Http2Head *head)
{
	uint32		limit = setting_of_peer(http2,
										NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE);

	if (head->bytes <= Min(limit, MAX_SENT_HEAD))
		return false;
	pgnet_error_set(&stream->error, PGNET_PROBLEM_HTTP2_STREAM,
					"the request's header is %zu bytes, the server takes %zu",
					head->bytes, Min(limit, MAX_SENT_HEAD));
	return true;
}

/* Give a request to nghttp2, which copies what it needs. */
static bool
begin(Http2 *http2, Http2Stream *stream, const Http2Head *head)
{
	nghttp2_data_provider body = {.read_callback = read_body};
	bool		has_body = pgnet_http2_has_upload(stream);

	stream->id = nghttp2_submit_request(http2->session, NULL, head->fields,
										head->nfields, has_body ? &body : NULL,
										stream);
	stream->attached = stream->id > 0;
	if (stream->attached)
		http2->nattached++;
	return stream->attached;
}

/* What the peer has said, or what is so until it does. */
static uint32
setting_of_peer(const Http2 *http2, nghttp2_settings_id setting)
{
	return nghttp2_session_get_remote_settings(http2->session, setting);
}

/* Fill bytes with frames; what does not fit of the last one stays. */
static size_t
fill(Http2 *http2, char *bytes, size_t size)
{
	size_t		used = 0;

	http2->busy = true;
	for (;;)
	{
		ssize_t		result;

		used += take_rest(http2, bytes + used, size - used);
		if (used == size || http2->over ||
			http2->error.problem != PGNET_NO_PROBLEM)
			break;
		result = nghttp2_session_mem_send(http2->session, &http2->rest);
		if (result < 0)
			pgnet_http2_set_error(http2, (int) result);
		if (result <= 0)
			break;
		http2->rest_length = result;
	}
	http2->busy = false;
	return used;
}

/* Hand out what is left of the last frame; how many bytes. */
static size_t
take_rest(Http2 *http2, char *bytes, size_t size)
{
	size_t		length = Min(http2->rest_length, size);

	if (length > 0)
	{
		memcpy(bytes, http2->rest, length);
		http2->rest += length;
		http2->rest_length -= length;
	}
	return length;
}

/* Callback of nghttp2: write the next bytes of a request's body. */
static ssize_t
read_body(nghttp2_session *session, int32_t id, uint8_t *bytes, size_t size,
		  uint32_t *flags, nghttp2_data_source *source, void *arg)
{
	Http2Stream *stream = pgnet_http2_stream_of(session, id);
	size_t		length;

	(void) source;
	(void) arg;
	if (stream == NULL)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	length = Min(size, stream->message->body_length - stream->body_sent);
	memcpy(bytes, stream->message->body + stream->body_sent, length);
	stream->body_sent += length;
	if (!pgnet_http2_has_upload(stream))
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return length;
}

/* Callback of nghttp2: a frame goes out. */
static int
on_sent(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	Http2	   *http2 = arg;
	Http2Stream *stream;

	if (frame->hd.type == NGHTTP2_HEADERS)
	{
		stream = pgnet_http2_stream_of(session, frame->hd.stream_id);
		if (stream != NULL)
			stream->sent = true;
	}
	/* of our own we send none: nghttp2 does, when the peer breaks a rule */
	else if (frame->hd.type == NGHTTP2_GOAWAY)
		pgnet_error_set(&http2->error, PGNET_PROBLEM_HTTP2,
						"%s (err %u)%s%.*s",
						nghttp2_http2_strerror(frame->goaway.error_code),
						frame->goaway.error_code,
						frame->goaway.opaque_data_len > 0 ? ": " : "",
						(int) frame->goaway.opaque_data_len,
						(const char *) frame->goaway.opaque_data);
	return 0;
}

/*
 * Callback of nghttp2: a frame does not go out.  If the connection is closing
 * it is not the request's fault, and that of a closed stream comes next.
 */
static int
on_not_sent(nghttp2_session *session, const nghttp2_frame *frame, int code,
			void *arg)
{
	Http2Stream *stream;

	if (frame->hd.type != NGHTTP2_HEADERS ||
		code == NGHTTP2_ERR_START_STREAM_NOT_ALLOWED ||
		code == NGHTTP2_ERR_SESSION_CLOSING)
		return 0;
	stream = pgnet_http2_stream_of(session, frame->hd.stream_id);
	if (stream == NULL)
		return 0;
	pgnet_error_set(&stream->error, PGNET_PROBLEM_HTTP2_STREAM, "%s",
					nghttp2_strerror(code));
	/* no reset: the server never saw it */
	pgnet_http2_stream_detach(arg, stream);
	pgnet_http2_stream_finish(arg, stream, PGNET_HTTP2_FAILED);
	return 0;
}

/* Do more frames wait than what is done for our streams can explain? */
static bool
is_flooded(Http2 *http2)
{
	return nghttp2_session_get_outbound_queue_size(http2->session) >
		MAX_WAITING + 2 * (size_t) http2->nattached;
}
