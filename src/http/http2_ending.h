/*
 * http2_ending.h -- how streams of HTTP/2 end.
 *
 * Runs in: workers.  Nothing here throws.
 *
 * A stream is attached as long as nghttp2 knows it.  When it is over it waits
 * in a list, as done() must not be called while nghttp2 is on the stack.
 */
#ifndef PGNET_HTTP2_ENDING_H
#define PGNET_HTTP2_ENDING_H

#include "postgres.h"

#include "http/http2_state.h"

/* All of the response came: it is over when its sink has all of it. */
extern void pgnet_http2_stream_complete(Http2 *http2, Http2Stream *stream);

/* Its sink wants no more. */
extern void pgnet_http2_stream_stop(Http2 *http2, Http2Stream *stream);

/* It cannot go on; its error is set, and code is for the server. */
extern void pgnet_http2_stream_fail(Http2 *http2, Http2Stream *stream,
									uint32 code);

/*
 * It is detached, with its error set: what became of it?  refused: the server
 * says that it did not process it.
 */
extern void pgnet_http2_stream_lose(Http2 *http2, Http2Stream *stream,
									bool refused);

/* Set the error of one that is reset with code, unless it came whole. */
extern void pgnet_http2_stream_set_reset(Http2Stream *stream, uint32 code);

/* It is over. */
extern void pgnet_http2_stream_finish(Http2 *http2, Http2Stream *stream,
									  Http2End end);

/* Detach it; after telling the server that it is of no use any more. */
extern void pgnet_http2_stream_detach(Http2 *http2, Http2Stream *stream);
extern void pgnet_http2_stream_reset(Http2 *http2, Http2Stream *stream,
									 uint32 code);

/* Free what the sink did not take. */
extern void pgnet_http2_stream_release(Http2Stream *stream);

/* End every stream but those that wait for their sink alone. */
extern void pgnet_http2_break_off(Http2 *http2, const HttpError *error);

/* Set the error of the connection to one of nghttp2, unless it is set. */
extern void pgnet_http2_set_error(Http2 *http2, int code);

/* Call done() of what is over, if that may be; was there anything? */
extern bool pgnet_http2_call_done(Http2 *http2);

#endif							/* PGNET_HTTP2_ENDING_H */
