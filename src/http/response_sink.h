/*
 * response_sink.h -- who takes a response as it arrives, from HTTP/1.1 or
 * HTTP/2.
 *
 * Runs in: workers.  Nothing here throws.
 */
#ifndef PGNET_RESPONSE_SINK_H
#define PGNET_RESPONSE_SINK_H

#include "postgres.h"

typedef enum SinkResult
{
	PGNET_SINK_TAKEN,
	PGNET_SINK_PAUSED,			/* none of it; the same comes again later */
	PGNET_SINK_STOPPED			/* and wants no more: the exchange is to end */
} SinkResult;

typedef struct ResponseSink ResponseSink;

/* Texts do not end with a NUL, and are valid during the call only. */
typedef struct ResponseSinkOperations
{
	/*
	 * A response begins: version is "1.0", "1.1" or "2", static.  A status of
	 * less than 200 is an interim one, after which another begins.  False: no
	 * more is wanted, as below.
	 */
	bool		(*begin) (ResponseSink *sink, const char *version, int status);

	/* A field of its header section; of trailers, too (after head). */
	bool		(*field) (ResponseSink *sink, const char *name,
						 size_t name_length, const char *value,
						 size_t value_length);

	/* The header section is complete; content_length -1: not known. */
	bool		(*head) (ResponseSink *sink, int64 content_length);

	/* Some bytes of the body, without the framing. */
	SinkResult	(*body) (ResponseSink *sink, const char *bytes, size_t length);
} ResponseSinkOperations;

struct ResponseSink
{
	const ResponseSinkOperations *operations;
};

#endif							/* PGNET_RESPONSE_SINK_H */
