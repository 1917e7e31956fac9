/*
 * http2_ending.c -- how streams of HTTP/2 end.
 *
 * Runs in: workers.
 *
 * nghttp2 says that a stream is closed, but not what became of the request in
 * words that a client could act on; and nothing of those that are open when the
 * connection ends.
 */
#include "postgres.h"

#include "http/http2_ending.h"

static void set_end_error(Http2Stream *stream, const HttpError *error);

/* All of the response came; but its sink may not have all of it. */
void
pgnet_http2_stream_complete(Http2 *http2, Http2Stream *stream)
{
	if (stream->kept_length == 0)
		pgnet_http2_stream_finish(http2, stream, PGNET_HTTP2_COMPLETE);
}

/* The sink wants no more. */
void
pgnet_http2_stream_stop(Http2 *http2, Http2Stream *stream)
{
	pgnet_http2_stream_reset(http2, stream, NGHTTP2_CANCEL);
	pgnet_http2_stream_finish(http2, stream, PGNET_HTTP2_STOPPED);
}

/* A stream cannot go on, its error being set; code is for the server. */
void
pgnet_http2_stream_fail(Http2 *http2, Http2Stream *stream, uint32 code)
{
	pgnet_http2_stream_reset(http2, stream, code);
	pgnet_http2_stream_finish(http2, stream, PGNET_HTTP2_FAILED);
}

/*
 * A stream that nghttp2 does not know any more ends, its error being set.
 * refused: the server says that it did not process it (RFC 9113, section 8.7).
 */
void
pgnet_http2_stream_lose(Http2 *http2, Http2Stream *stream, bool refused)
{
	refused = refused || !stream->sent || stream->id > http2->last_id;
	if (stream->ended)
		pgnet_http2_stream_complete(http2, stream);
	else if (refused && !stream->begun)
		pgnet_http2_stream_finish(http2, stream, PGNET_HTTP2_NOT_PROCESSED);
	else
		pgnet_http2_stream_finish(http2, stream, PGNET_HTTP2_FAILED);
}

/* What libcurl 7.88 says when a stream is reset. */
void
pgnet_http2_stream_set_reset(Http2Stream *stream, uint32 code)
{
	if (!stream->ended)
		pgnet_error_set(&stream->error, PGNET_PROBLEM_HTTP2_STREAM,
						"HTTP/2 stream %d was not closed cleanly: %s (err %u)",
						stream->id, nghttp2_http2_strerror(code), code);
}

/* A stream is over, and done() is to be called. */
void
pgnet_http2_stream_finish(Http2 *http2, Http2Stream *stream, Http2End end)
{
	pgnet_http2_stream_release(stream);
	stream->end = end;
	dlist_delete(&stream->node);
	dlist_push_tail(&http2->finished, &stream->node);
}

/* Let nghttp2 not think of a stream any more. */
void
pgnet_http2_stream_detach(Http2 *http2, Http2Stream *stream)
{
	(void) nghttp2_session_set_stream_user_data(http2->session, stream->id,
												NULL);
	stream->attached = false;
	http2->nattached--;
}

/* Tell the server to stop; nghttp2 forgets the stream in time. */
void
pgnet_http2_stream_reset(Http2 *http2, Http2Stream *stream, uint32 code)
{
	if (!stream->attached)
		return;
	(void) nghttp2_submit_rst_stream(http2->session, NGHTTP2_FLAG_NONE,
									 stream->id, code);
	pgnet_http2_stream_detach(http2, stream);
}

/* Free what was kept. */
void
pgnet_http2_stream_release(Http2Stream *stream)
{
	free(stream->kept);
	stream->kept = NULL;
	stream->kept_length = stream->kept_room = 0;
}

/* End every stream but those that wait for their sink alone. */
void
pgnet_http2_break_off(Http2 *http2, const HttpError *error)
{
	dlist_mutable_iter iter;

	http2->over = true;
	dlist_foreach_modify(iter, &http2->streams)
	{
		Http2Stream *stream = dlist_container(Http2Stream, node, iter.cur);

		if (!stream->attached)
			continue;
		pgnet_http2_stream_detach(http2, stream);
		if (!stream->ended)
			set_end_error(stream, error);
		pgnet_http2_stream_lose(http2, stream, false);
	}
}

/* What nghttp2 could not go on after; unless we told it to stop. */
void
pgnet_http2_set_error(Http2 *http2, int code)
{
	if (code == NGHTTP2_ERR_NOMEM)
		pgnet_error_set(&http2->error, PGNET_PROBLEM_MEMORY, "%s", "");
	else
		pgnet_error_set(&http2->error, PGNET_PROBLEM_HTTP2, "%s",
						nghttp2_strerror(code));
}

/* Call it, for each; were there any? */
bool
pgnet_http2_call_done(Http2 *http2)
{
	bool		called = false;

	while (!http2->busy && !dlist_is_empty(&http2->finished))
	{
		dlist_node *node = dlist_pop_head_node(&http2->finished);
		Http2Stream *stream = dlist_container(Http2Stream, node, node);

		stream->listed = false;
		http2->nstreams--;
		stream->done(stream, stream->end);
		called = true;
	}
	return called;
}

/* Why a stream ends with the connection. */
static void
set_end_error(Http2Stream *stream, const HttpError *error)
{
	if (error != NULL && error->problem != PGNET_NO_PROBLEM)
		stream->error = *error;
	else if (stream->begun)
		pgnet_error_set(&stream->error, PGNET_PROBLEM_PARTIAL,
						"HTTP/2 connection closed within the response");
	else
		pgnet_error_set(&stream->error, PGNET_PROBLEM_NOTHING, "%s", "");
}
