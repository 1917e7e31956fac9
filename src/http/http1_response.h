/*
 * http1_response.h -- a response of HTTP/1.1, as bytes arrive (RFC 9112).
 *
 * Runs in: workers.  Nothing here throws; memory is from malloc().
 */
#ifndef PGNET_HTTP1_RESPONSE_H
#define PGNET_HTTP1_RESPONSE_H

#include "postgres.h"

#include "http/errors.h"
#include "http/http1_chunks.h"
#include "http/http1_lines.h"
#include "http/response_sink.h"

typedef enum Http1Status
{
	PGNET_HTTP1_MORE,			/* it is not over */
	PGNET_HTTP1_PAUSED,			/* the sink did not take what comes next */
	PGNET_HTTP1_COMPLETE,
	PGNET_HTTP1_STOPPED,		/* the sink wants no more */
	PGNET_HTTP1_FAILED			/* see error */
} Http1Status;

typedef struct Http1Response
{
	ResponseSink *sink;
	bool		to_head;		/* no body comes, whatever the fields say */
	bool		to_connect;		/* likewise, of a 2xx */
	bool		by_proxy;		/* Proxy-Connection counts, too */
	size_t		max_head_bytes; /* of all header sections and trailers */

	bool		begun;			/* a byte of it has come */
	int			status;			/* of the latest head; 0: none */
	bool		keep_alive;		/* when complete: others may follow it */
	HttpError	error;

	/* how far it has come */
	int			state;			/* private, with what follows */
	bool		paused;			/* the sink takes no more in this call */

	Http1Lines	lines;			/* of all sections */
	int			interim;		/* responses that came */

	/* what the header section says */
	int			minor_version;	/* of HTTP/1 */
	bool		has_no_body;	/* so that its framing does not count */
	int64		content_length; /* -1: not said */
	int			codings;		/* transfer codings; only one is known: */
	bool		chunked;
	bool		closes;			/* "Connection: close" */
	bool		persists;		/* "Connection: keep-alive" */

	/* the body */
	uint64		remaining;		/* of it, where its length is known */
	Http1Chunks chunks;
} Http1Response;

/* Begin, after the public settings were set and the rest zeroed. */
extern void pgnet_http1_response_init(Http1Response *response);

/*
 * Take bytes; how many were taken is in *taken.  When complete, what is behind
 * belongs to nobody; when paused, what is behind is to be given again.
 */
extern Http1Status pgnet_http1_response_take(Http1Response *response,
											 const char *bytes, size_t length,
											 size_t *taken);

/*
 * The connection has ended, clean or by an error of the stream below: is the
 * response complete (RFC 9112, section 6.3)?
 */
extern Http1Status pgnet_http1_response_end(Http1Response *response,
											const HttpError *stream_error);

/* Free what it has. */
extern void pgnet_http1_response_free(Http1Response *response);

#endif							/* PGNET_HTTP1_RESPONSE_H */
