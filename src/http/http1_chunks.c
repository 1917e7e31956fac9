/*
 * http1_chunks.c -- the frame of a body that comes in chunks (RFC 9112, section
 * 7.1).
 *
 * Runs in: workers.
 *
 * As in header sections, LF alone ends a line, and CR alone is an error.
 */
#include "postgres.h"

#include "http/http1_chunks.h"

/* Digits of a chunk's size, and what may be behind them in its line. */
#define MAX_SIZE_DIGITS 16
#define MAX_EXTENSION_BYTES 4096

/* What comes next. */
typedef enum ChunkState
{
	IN_SIZE,
	IN_SIZE_END,				/* white space behind it */
	IN_EXTENSION,
	IN_LINE_END,				/* its LF */
	IN_DATA,
	IN_DATA_END,				/* LF behind the data, after CR */
	IN_TRAILERS,
	IS_FAILED
} ChunkState;

static void take_size(Http1Chunks *chunks, char c, HttpError *error);
static void add_digit(Http1Chunks *chunks, int digit, HttpError *error);
static void take_line_rest(Http1Chunks *chunks, char c, HttpError *error);
static bool fits(const Http1Chunks *chunks, char c);
static void take_data_end(Http1Chunks *chunks, char c, HttpError *error);
static int	hexadecimal_digit(char c);
static void fail(Http1Chunks *chunks, const char *detail, HttpError *error);

/* Take bytes, one by one. */
Http1ChunksStatus
pgnet_http1_chunks_take(Http1Chunks *chunks, Http1Input *input,
						HttpError *error)
{
	for (;;)
	{
		if (chunks->state == IS_FAILED)
			return PGNET_CHUNKS_FAILED;
		if (chunks->state == IN_TRAILERS)
			return PGNET_CHUNKS_END;
		if (chunks->state == IN_DATA && chunks->remaining > 0)
			return PGNET_CHUNKS_DATA;
		if (input->at == input->end)
			return PGNET_CHUNKS_MORE;
		if (chunks->state == IN_SIZE)
			take_size(chunks, *input->at++, error);
		else if (chunks->state < IN_DATA)
			take_line_rest(chunks, *input->at++, error);
		else
			take_data_end(chunks, *input->at++, error);
	}
}

/* Take a digit of the size, or what is behind them. */
static void
take_size(Http1Chunks *chunks, char c, HttpError *error)
{
	int			digit = hexadecimal_digit(c);

	if (digit >= 0)
		add_digit(chunks, digit, error);
	else if (chunks->counted == 0)
		fail(chunks, "Illegal or missing hexadecimal sequence", error);
	else
	{
		chunks->state = IN_SIZE_END;
		chunks->counted = 0;
		take_line_rest(chunks, c, error);
	}
}

/* Add a digit to the size. */
static void
add_digit(Http1Chunks *chunks, int digit, HttpError *error)
{
	if (chunks->counted == MAX_SIZE_DIGITS)
		fail(chunks, "Too long hexadecimal number", error);
	else if (chunks->remaining > PG_INT64_MAX / 16)
		fail(chunks, "Illegal or missing hexadecimal sequence", error);
	else
	{
		chunks->remaining = chunks->remaining * 16 + digit;
		chunks->counted++;
	}
}

/*
 * Take what is behind the size in its line: white space, and extensions, which
 * we know none of.  Their length is limited (RFC 9112, section 7.1.1).
 */
static void
take_line_rest(Http1Chunks *chunks, char c, HttpError *error)
{
	if (c == '\n')
		chunks->state = chunks->remaining > 0 ? IN_DATA : IN_TRAILERS;
	else if (++chunks->counted > MAX_EXTENSION_BYTES || !fits(chunks, c))
		fail(chunks, "Malformed encoding found", error);
	else if (c == '\r')
		chunks->state = IN_LINE_END;
	else if (c == ';')
		chunks->state = IN_EXTENSION;
}

/* May a character other than LF be there? */
static bool
fits(const Http1Chunks *chunks, char c)
{
	if (chunks->state == IN_LINE_END || c == '\0')
		return false;
	return chunks->state == IN_EXTENSION || c == '\r' || c == ';' ||
		pgnet_http1_is_blank(c);
}

/* Take the line break behind the data. */
static void
take_data_end(Http1Chunks *chunks, char c, HttpError *error)
{
	if (c == '\r' && chunks->state == IN_DATA)
		chunks->state = IN_DATA_END;
	else if (c == '\n')
		*chunks = (Http1Chunks) {.state = IN_SIZE};
	else
		fail(chunks, "Malformed encoding found", error);
}

/* The value of a digit, or -1. */
static int
hexadecimal_digit(char c)
{
	if (pgnet_http1_is_digit(c))
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* This is no chunk. */
static void
fail(Http1Chunks *chunks, const char *detail, HttpError *error)
{
	pgnet_error_set(error, PGNET_PROBLEM_RECEIVE, "%s in chunked-encoding",
					detail);
	chunks->state = IS_FAILED;
}
