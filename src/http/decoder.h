/*
 * decoder.h -- the body of an answer that comes in a content coding.
 *
 * Runs in: workers.  Nothing here throws.
 *
 * One coding, by zlib: gzip (RFC 1952), also called x-gzip, of one member or
 * several, and deflate, with the frame of RFC 1950 as RFC 9110 wants it or
 * without, as some servers send it.
 */
#ifndef PGNET_DECODER_H
#define PGNET_DECODER_H

#include "postgres.h"

#include <zlib.h>

#include "exchange.h"
#include "http/transfer_body.h"

/* The codings we ask servers for. */
#define PGNET_CODINGS "gzip, deflate"

/* Memory of a decoder beside its struct: that of zlib and a window. */
#define PGNET_DECODER_BYTES ((size_t) 48 * 1024)

typedef enum ContentCoding
{
	PGNET_CODING_NONE,			/* none that we decode */
	PGNET_CODING_GZIP,
	PGNET_CODING_DEFLATE
} ContentCoding;

typedef enum DecoderState
{
	PGNET_DECODER_UNUSED,		/* nothing has come */
	PGNET_DECODER_LOOKING,		/* for how the next member begins */
	PGNET_DECODER_WITHIN,
	PGNET_DECODER_BEHIND		/* what comes now is ignored */
} DecoderState;

/* One of zeros is unused. */
typedef struct Decoder
{
	DecoderState state;
	ContentCoding coding;
	z_stream	zlib;
	bool		open;			/* zlib has memory */
	uint8		begin[2];		/* of a member */
	int			nbegin;
	int			members;		/* that are over; deflate is one */
	const char *problem;		/* a static string */
} Decoder;

/*
 * The coding of a body, by the header fields.  With several codings, or one
 * that we do not know, it is PGNET_CODING_NONE: such a body stays as it is.
 */
extern ContentCoding pgnet_coding_of(const Field *fields, int nfields);

/*
 * Append what some bytes of a body stand for.  That takes time in proportion
 * to their number: 16 kB become 17 MB at most.  False, then and later, when
 * they are not what the coding says, or the body takes no more.
 */
extern bool pgnet_decoder_take(Decoder *decoder, ContentCoding coding,
							   TransferBody *body, const char *bytes,
							   size_t length);

/* The body is over: what is wrong with it?  NULL: nothing. */
extern const char *pgnet_decoder_problem(const Decoder *decoder);

/* Free what a decoder has; it is unused then.  The body stays. */
extern void pgnet_decoder_free(Decoder *decoder, TransferBody *body);

#endif							/* PGNET_DECODER_H */
