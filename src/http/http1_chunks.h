/*
 * http1_chunks.h -- the frame of a body that comes in chunks (RFC 9112,
 * section 7.1).
 *
 * Runs in: workers.  Nothing here throws or allocates.
 */
#ifndef PGNET_HTTP1_CHUNKS_H
#define PGNET_HTTP1_CHUNKS_H

#include "postgres.h"

#include "http/errors.h"
#include "http/http1_text.h"

typedef enum Http1ChunksStatus
{
	PGNET_CHUNKS_MORE,			/* input is needed */
	PGNET_CHUNKS_DATA,			/* data come next: see remaining */
	PGNET_CHUNKS_END,			/* trailers come next */
	PGNET_CHUNKS_FAILED
} Http1ChunksStatus;

/* All zeros at first. */
typedef struct Http1Chunks
{
	uint64		remaining;		/* data of this chunk; the caller counts down */
	int			state;			/* private, with what follows */
	int			counted;		/* digits of the size, or bytes behind them */
} Http1Chunks;

/* Take what is no data. */
extern Http1ChunksStatus pgnet_http1_chunks_take(Http1Chunks *chunks,
												 Http1Input *input,
												 HttpError *error);

#endif							/* PGNET_HTTP1_CHUNKS_H */
