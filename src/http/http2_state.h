/*
 * http2_state.h -- what HTTP/2 on one connection consists of.
 *
 * Runs in: workers.  For http2.c, http2_response.c and http2_ending.c; for
 * others it is opaque.
 */
#ifndef PGNET_HTTP2_STATE_H
#define PGNET_HTTP2_STATE_H

#include "postgres.h"

#include <nghttp2/nghttp2.h>

#include "http/http2.h"

struct Http2
{
	nghttp2_session *session;
	size_t		max_head_bytes;
	dlist_head	streams;		/* that are not over */
	dlist_head	finished;		/* done() of which is to be called */
	int			nstreams;		/* in both */
	int			nattached;		/* streams that nghttp2 knows */
	bool		busy;			/* nghttp2 is on the stack */
	bool		over;			/* the connection is */
	size_t		block_bytes;	/* of the header section that arrives now */
	int32		last_id;		/* that the server may have processed */
	HttpError	error;			/* what ends it */
	const uint8_t *rest;		/* of a frame, in memory of nghttp2 */
	size_t		rest_length;
};

/* The stream with that id, if it is one of ours that is not over. */
static inline Http2Stream *
pgnet_http2_stream_of(nghttp2_session *session, int32_t id)
{
	return nghttp2_session_get_stream_user_data(session, id);
}

/* Is there more of its body to be sent? */
static inline bool
pgnet_http2_has_upload(const Http2Stream *stream)
{
	return stream->message->has_body &&
		stream->body_sent < stream->message->body_length;
}

#endif							/* PGNET_HTTP2_STATE_H */
