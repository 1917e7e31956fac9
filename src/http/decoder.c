/*
 * decoder.c -- the body of an answer that comes in a content coding.
 *
 * Runs in: workers.
 *
 * libcurl would decode as well, but any number of codings on top of each
 * other, in one call, and without looking whether a body is whole.
 */
#include "postgres.h"

#include "http/decoder.h"

/* For inflateInit2(): a window of any size, and the frame around it. */
#define WINDOW_ZLIB MAX_WBITS
#define WINDOW_GZIP (MAX_WBITS + 16)
#define WINDOW_RAW (-MAX_WBITS)

/* What zlib may put out at a time. */
#define PIECE_BYTES (64 * 1024)

static const char *next_coding(const char *list, size_t *length);
static ContentCoding coding_called(const char *name, size_t length);
static bool start(Decoder *decoder, ContentCoding coding, TransferBody *body);
static void look(Decoder *decoder, TransferBody *body);
static void begin_member(Decoder *decoder);
static bool is_gzip(const uint8 *begin);
static bool is_zlib(const uint8 *begin);
static void open_zlib(Decoder *decoder, int window);
static void decode(Decoder *decoder, TransferBody *body);
static void end_member(Decoder *decoder);
static void fail(Decoder *decoder, int result);

/* Find the one coding; "identity" does not count. */
ContentCoding
pgnet_coding_of(const Field *fields, int nfields)
{
	ContentCoding coding = PGNET_CODING_NONE;
	int			count = 0;

	for (int i = 0; i < nfields; i++)
	{
		const char *name = fields[i].value;
		size_t		length;

		if (pg_strcasecmp(fields[i].name, "Content-Encoding") != 0)
			continue;
		for (; (name = next_coding(name, &length)) != NULL; name += length)
		{
			if (length == 8 && pg_strncasecmp(name, "identity", 8) == 0)
				continue;
			coding = coding_called(name, length);
			count++;
		}
	}
	return count == 1 ? coding : PGNET_CODING_NONE;
}

/* Decode. */
bool
pgnet_decoder_take(Decoder *decoder, ContentCoding coding, TransferBody *body,
				   const char *bytes, size_t length)
{
	if (decoder->state == PGNET_DECODER_UNUSED && !start(decoder, coding, body))
		return false;
	decoder->zlib.next_in = (z_const Bytef *) bytes;
	decoder->zlib.avail_in = (uInt) length;
	while (decoder->problem == NULL && !body->broken && !body->cut &&
		   decoder->zlib.avail_in > 0 && decoder->state != PGNET_DECODER_BEHIND)
	{
		if (decoder->state == PGNET_DECODER_LOOKING)
			look(decoder, body);
		else
			decode(decoder, body);
	}
	return decoder->problem == NULL && !body->broken && !body->cut;
}

/* Is it whole? */
const char *
pgnet_decoder_problem(const Decoder *decoder)
{
	if (decoder->problem != NULL)
		return decoder->problem;
	if (decoder->state == PGNET_DECODER_WITHIN ||
		(decoder->state == PGNET_DECODER_LOOKING && decoder->members == 0))
		return "it is cut short";
	return NULL;
}

/* End. */
void
pgnet_decoder_free(Decoder *decoder, TransferBody *body)
{
	if (decoder->open)
		(void) inflateEnd(&decoder->zlib);
	if (decoder->state != PGNET_DECODER_UNUSED)
		pgnet_body_release(body, PGNET_DECODER_BYTES);
	*decoder = (Decoder) {0};
}

/* The next name in a list with commas between; NULL: there is no more. */
static const char *
next_coding(const char *list, size_t *length)
{
	list += strspn(list, ", \t");
	*length = strcspn(list, ",");
	if (*length == 0)
		return NULL;
	while (list[*length - 1] == ' ' || list[*length - 1] == '\t')
		(*length)--;
	return list;
}

/* Which one is it (RFC 9110, section 8.4.1)? */
static ContentCoding
coding_called(const char *name, size_t length)
{
	static const struct
	{
		const char *name;
		ContentCoding coding;
	} known[] = {
		{"gzip", PGNET_CODING_GZIP},
		{"x-gzip", PGNET_CODING_GZIP},
		{"deflate", PGNET_CODING_DEFLATE},
	};

	for (int i = 0; i < (int) lengthof(known); i++)
		if (strlen(known[i].name) == length &&
			pg_strncasecmp(name, known[i].name, length) == 0)
			return known[i].coding;
	return PGNET_CODING_NONE;
}

/* The first bytes are there. */
static bool
start(Decoder *decoder, ContentCoding coding, TransferBody *body)
{
	if (!pgnet_body_reserve(body, PGNET_DECODER_BYTES))
		return false;
	decoder->coding = coding;
	decoder->state = PGNET_DECODER_LOOKING;
	return true;
}

/* Take a byte of a beginning; with all of them, begin. */
static void
look(Decoder *decoder, TransferBody *body)
{
	z_stream   *zlib = &decoder->zlib;
	z_stream	rest;

	decoder->begin[decoder->nbegin++] = *zlib->next_in++;
	zlib->avail_in--;
	if (decoder->nbegin < (int) sizeof(decoder->begin))
		return;
	decoder->nbegin = 0;
	begin_member(decoder);
	if (decoder->state != PGNET_DECODER_WITHIN)
		return;
	rest = *zlib;
	zlib->next_in = decoder->begin;
	zlib->avail_in = sizeof(decoder->begin);
	decode(decoder, body);
	zlib->next_in = rest.next_in;
	zlib->avail_in = rest.avail_in;
}

/*
 * A body, or one more member of it, begins.  What is behind a member and is
 * none is ignored, as by browsers and gzip itself.
 */
static void
begin_member(Decoder *decoder)
{
	bool		first = decoder->members == 0;

	if (decoder->coding == PGNET_CODING_DEFLATE)
		open_zlib(decoder, is_zlib(decoder->begin) ? WINDOW_ZLIB : WINDOW_RAW);
	else if (first)
		open_zlib(decoder, WINDOW_GZIP);
	else if (is_gzip(decoder->begin) && inflateReset(&decoder->zlib) == Z_OK)
		decoder->state = PGNET_DECODER_WITHIN;
	else
		decoder->state = PGNET_DECODER_BEHIND;
}

/* Does gzip begin so (RFC 1952, section 2.3.1)? */
static bool
is_gzip(const uint8 *begin)
{
	return begin[0] == 0x1f && begin[1] == 0x8b;
}

/* Does the frame of zlib begin so (RFC 1950, section 2.2)? */
static bool
is_zlib(const uint8 *begin)
{
	return (begin[0] & 0x0f) == Z_DEFLATED && begin[0] >> 4 <= 7 &&
		(begin[0] << 8 | begin[1]) % 31 == 0;
}

/* Have zlib decode. */
static void
open_zlib(Decoder *decoder, int window)
{
	int			result = inflateInit2(&decoder->zlib, window);

	decoder->open = result == Z_OK;
	decoder->state = PGNET_DECODER_WITHIN;
	if (!decoder->open)
		fail(decoder, result);
}

/* Decode the input, up to the end of the member. */
static void
decode(Decoder *decoder, TransferBody *body)
{
	static Bytef piece[PIECE_BYTES];
	z_stream   *zlib = &decoder->zlib;
	int			result;

	do
	{
		zlib->next_out = piece;
		zlib->avail_out = sizeof(piece);
		result = inflate(zlib, Z_NO_FLUSH);
		if (!pgnet_body_append(body, (const char *) piece,
							   sizeof(piece) - zlib->avail_out))
			return;
	} while (result == Z_OK && (zlib->avail_in > 0 || zlib->avail_out == 0));

	if (result == Z_STREAM_END)
		end_member(decoder);
	/* that it can do no more without input is no error */
	else if (result != Z_OK && result != Z_BUF_ERROR)
		fail(decoder, result);
}

/* A member is over; only gzip may have more of them. */
static void
end_member(Decoder *decoder)
{
	decoder->members++;
	decoder->state = decoder->coding == PGNET_CODING_GZIP ?
		PGNET_DECODER_LOOKING :
		PGNET_DECODER_BEHIND;
}

/* Remember what zlib does not like. */
static void
fail(Decoder *decoder, int result)
{
	if (result == Z_MEM_ERROR)
		decoder->problem = "out of memory";
	else if (result == Z_NEED_DICT)
		decoder->problem = "it needs a dictionary";
	else
		decoder->problem = decoder->zlib.msg ? decoder->zlib.msg :
											   zError(result);
}
