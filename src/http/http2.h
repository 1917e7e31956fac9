/*
 * http2.h -- HTTP/2 on one connection, by nghttp2 (RFC 9113).
 *
 * Runs in: workers.  Nothing here throws; memory is from malloc().
 *
 * Bytes go in and out by calls: it knows no socket.  No call but
 * pgnet_http2_receive(), _output(), _resume() and _end() calls the sink or done
 * of a stream.  In both, streams may be submitted, resumed and cancelled, but
 * for a sink's own, which says that it wants no more instead; nothing else may
 * be called.
 */
#ifndef PGNET_HTTP2_H
#define PGNET_HTTP2_H

#include "postgres.h"

#include "lib/ilist.h"

#include "http/errors.h"
#include "http/message.h"
#include "http/response_sink.h"

typedef struct Http2 Http2;

/* How a stream ended. */
typedef enum Http2End
{
	PGNET_HTTP2_COMPLETE,		/* END_STREAM came, after a whole response */
	PGNET_HTTP2_STOPPED,		/* the sink wanted no more */
	PGNET_HTTP2_NOT_PROCESSED,	/* the server says so: it may be sent again */
	PGNET_HTTP2_FAILED			/* see error of the stream */
} Http2End;

typedef struct Http2Stream Http2Stream;

/* A request and its response; who submits it sets the first ones. */
struct Http2Stream
{
	const Message *message;		/* stays as long as the stream */
	ResponseSink *sink;
	void		(*done) (Http2Stream *stream, Http2End end);
	/* the stream may be freed or submitted elsewhere in done() */

	HttpError	error;			/* why, unless complete or stopped */
	bool		needs_http1;	/* not processed, and over HTTP/2 never will */
	bool		begun;			/* anything of a response came */
	bool		sent;			/* its header section was handed out */
	uint64		body_sent;		/* bytes of the body that were */

	/* private */
	dlist_node	node;			/* in a list of the connection's, if listed */
	bool		listed;
	bool		attached;		/* nghttp2 knows it, as id */
	int32		id;
	bool		paused;
	bool		head_came;		/* the header section of the final response */
	bool		ended;			/* END_STREAM was received after that */
	int			status;
	int			ninterim;		/* responses that came before the final one */
	size_t		head_bytes;		/* of all header sections and trailers */
	int64		content_length; /* -1: not known */
	char	   *kept;			/* what the sink did not take */
	size_t		kept_length;
	size_t		kept_room;
	Http2End	end;
};

/*
 * The client's preface and settings are output first.  max_head_bytes: what the
 * header sections of one response may take, trailers included.  NULL: no
 * memory.
 */
extern Http2 *pgnet_http2_create(size_t max_head_bytes);

/* Free it; streams that are left are forgotten. */
extern void pgnet_http2_free(Http2 *http2);

/* How many more streams may be submitted now; 0 also when it is closing. */
extern int	pgnet_http2_room(const Http2 *http2);

/*
 * Does it take no more requests, as after GOAWAY?  Without streams it is to be
 * closed then.
 */
extern bool pgnet_http2_is_closing(const Http2 *http2);

/* How many streams are there, done() of which was not called? */
extern int	pgnet_http2_streams(const Http2 *http2);

/*
 * Send a request; false when it cannot take one, or memory is out.  One whose
 * header section is larger than the server takes fails in the next
 * pgnet_http2_output(): it would end the connection for all.
 */
extern bool pgnet_http2_submit(Http2 *http2, Http2Stream *stream);

/* End a stream without done(): it is reset. */
extern void pgnet_http2_cancel(Http2 *http2, Http2Stream *stream);

/*
 * The sink of a stream that paused may have room again: give it what came.
 * Trailers do not wait for that.
 */
extern void pgnet_http2_resume(Http2 *http2, Http2Stream *stream);

/*
 * Take bytes from the peer; false, with *error, when the connection is lost:
 * to be ended with it, by pgnet_http2_end().
 */
extern bool pgnet_http2_receive(Http2 *http2, const char *bytes, size_t length,
								HttpError *error);

/*
 * Fill bytes with what is to be sent next; how many, 0: nothing is.  When that
 * says that the peer broke the rules, it ends every stream, and is closing.
 */
extern size_t pgnet_http2_output(Http2 *http2, char *bytes, size_t size);

/*
 * The connection is over, because of error (one of zeros: it was ended clean):
 * end every stream.  Only a paused one of which everything has come stays until
 * it was resumed: free it after that.
 */
extern void pgnet_http2_end(Http2 *http2, const HttpError *error);

#endif							/* PGNET_HTTP2_H */
