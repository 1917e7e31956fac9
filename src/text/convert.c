/*
 * convert.c -- bytes from the network as text of the database.
 *
 * Runs in: client backends and workers, inside a transaction.  Nothing here
 * throws because of what the bytes are.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "compat.h"
#include "text/charset.h"
#include "text/convert.h"

/*
 * A conversion cannot be interrupted, takes up to 25 ms for a megabyte, and
 * memory for the longest text that might come of it, four times as much.
 * So larger bodies are not converted, and others are looked through piece by
 * piece.
 */
#define MAX_CONVERTED_BYTES ((size_t) 4 * 1024 * 1024)
#define PIECE_BYTES (1024 * 1024)

/* Of a character, in any encoding that is converted. */
#define MAX_CHAR_BYTES 4

static size_t without_cut_character(const char *text, size_t length);
static text *text_of_body(const char *body, size_t length, int encoding,
						  struct varlena *in_place);
static text *text_from_utf16(const char *bytes, size_t length,
							 bool big_endian);
static char *utf8_from_utf16(const char *bytes, size_t length,
							 bool big_endian, size_t *utf8_length);
static text *text_from(const char *bytes, size_t length, int encoding);
static bool is_valid(const char *bytes, size_t length);
static bool has_characters(const char *bytes, size_t length, int encoding);
static bool is_ascii(const char *bytes, size_t length);
static text *convert(const char *bytes, size_t length, int encoding);
static text *convert_directly(const char *bytes, size_t length, int from,
							  int to);
static char *ascii_only(const char *bytes);

/*
 * Make text of a body, if it is text.  A mark says more than a declaration,
 * unless it leads nowhere.  A charset that nobody knows is taken for UTF-8,
 * which hardly anything else is by chance.
 */
text *
pgnet_text_from_body(const char *body, size_t length, const char *content_type,
					 struct varlena *in_place)
{
	size_t		mark_length;
	int			marked;
	int			charset;
	text	   *result;

	/* a database without an encoding converts nothing */
	if (GetDatabaseEncoding() == PG_SQL_ASCII)
		return text_of_body(body, length, PG_SQL_ASCII, in_place);
	marked = pgnet_charset_marked(body, length, content_type, &mark_length);
	if (marked == PGNET_CHARSET_UTF16LE || marked == PGNET_CHARSET_UTF16BE)
	{
		result = text_from_utf16(body + mark_length, length - mark_length,
								 marked == PGNET_CHARSET_UTF16BE);
		if (result != NULL)
			return result;
	}
	if (marked == PG_UTF8)
		charset = PG_UTF8;
	else
		charset = pgnet_charset_declared(content_type, body, length);
	if (charset == PGNET_CHARSET_UTF16LE || charset == PGNET_CHARSET_UTF16BE)
		return text_from_utf16(body, length, charset == PGNET_CHARSET_UTF16BE);

	/* where there is no such character, the mark has done its work */
	if (marked == PG_UTF8 && GetDatabaseEncoding() != PG_UTF8)
		return text_from(body + mark_length, length - mark_length, PG_UTF8);
	return text_of_body(body, length,
						charset == PGNET_CHARSET_NONE ? PG_UTF8 : charset,
						in_place);
}

text *
pgnet_text_from_cut_body(const char *body, size_t length,
						 const char *content_type, struct varlena *in_place)
{
	text	   *result = NULL;

	if (GetDatabaseEncoding() == PG_SQL_ASCII)
		length = without_cut_character(body, length);
	for (size_t cut = 0; cut == 0 || cut < Min(length, MAX_CHAR_BYTES); cut++)
	{
		result = pgnet_text_from_body(body, length - cut, content_type,
									  in_place);
		if (result != NULL)
			break;
	}
	return result;
}

text *
pgnet_text_beginning(const char *body, size_t length, const char *content_type,
					 int max_chars, bool is_cut)
{
	size_t		piece = Min(length, (size_t) max_chars * MAX_CHAR_BYTES);
	text	   *beginning;
	int			bytes;

	if (piece < length || is_cut)
		beginning = pgnet_text_from_cut_body(body, piece, content_type, NULL);
	else
		beginning = pgnet_text_from_body(body, length, content_type, NULL);
	if (beginning == NULL)
		return NULL;
	bytes = pgnet_text_clip(VARDATA(beginning), VARSIZE(beginning) - VARHDRSZ,
							max_chars);
	SET_VARSIZE(beginning, VARHDRSZ + bytes);
	return beginning;
}

int
pgnet_text_clip(const char *text, int length, int max_chars)
{
	int			clipped = pg_mbcharcliplen(text, length, max_chars);

	if (clipped < length && GetDatabaseEncoding() == PG_SQL_ASCII)
		clipped = (int) without_cut_character(text, clipped);
	return clipped;
}

/*
 * The length without the beginning of a character at the end.  In a database
 * without an encoding every byte is a character; most text there is UTF-8.
 */
static size_t
without_cut_character(const char *text, size_t length)
{
	for (size_t back = 1; back < Min(length + 1, MAX_CHAR_BYTES); back++)
	{
		unsigned char byte = (unsigned char) text[length - back];

		if ((byte & 0xC0) == 0x80)
			continue;
		if (pg_utf_mblen(&byte) > (int) back)
			return length - back;
		break;
	}
	return length;
}

/* Make a bytea; it is the same bytes behind the same header as a text. */
Datum
pgnet_bytes_datum(const char *bytes, size_t length)
{
	return PointerGetDatum(cstring_to_text_with_len(bytes, (int) length));
}

/*
 * Make a valid string of a header field.  Fields are ASCII by rule, and bytes
 * beyond it opaque (RFC 9110, section 5.5): what the database's encoding does
 * not accept is read as ISO-8859-1, in which every byte is a character.
 */
const char *
pgnet_text_from_header(const char *field)
{
	size_t		length = strlen(field);
	text	   *converted;

	if (is_valid(field, length))
		return field;
	converted = convert(field, length, PG_LATIN1);
	return converted ? VARDATA(converted) : ascii_only(field);
}

/* Text of a body in an encoding, without a copy if that is possible. */
static text *
text_of_body(const char *body, size_t length, int encoding,
			 struct varlena *in_place)
{
	if (in_place == NULL || encoding != GetDatabaseEncoding())
		return text_from(body, length, encoding);
	if (!is_valid(body, length))
		return NULL;
	SET_VARSIZE(in_place, VARHDRSZ + length);
	return in_place;
}

/* Text of UTF-16 without its mark; NULL when it is none. */
static text *
text_from_utf16(const char *bytes, size_t length, bool big_endian)
{
	size_t		utf8_length;
	char	   *utf8 = utf8_from_utf16(bytes, length, big_endian, &utf8_length);

	return utf8 ? text_from(utf8, utf8_length, PG_UTF8) : NULL;
}

/* UTF-16 as UTF-8; NULL when it is not valid. */
static char *
utf8_from_utf16(const char *bytes, size_t length, bool big_endian,
				size_t *utf8_length)
{
	const unsigned char *from = (const unsigned char *) bytes;
	pg_wchar	first = 0;		/* of a pair of surrogates, or 0 */
	unsigned char *utf8;
	unsigned char *to;

	/* a unit of two bytes becomes three at most */
	if (length % 2 != 0 || length > MAX_CONVERTED_BYTES)
		return NULL;
	to = utf8 = palloc(length / 2 * 3 + 1);
	for (size_t i = 0; i < length; i += 2)
	{
		pg_wchar	unit = from[i + !big_endian] << 8 | from[i + big_endian];

		if (is_utf16_surrogate_second(unit) != (first != 0))
			return NULL;
		if (first != 0)
			unit = surrogate_pair_to_codepoint(first, unit);
		first = is_utf16_surrogate_first(unit) ? unit : 0;
		if (first != 0)
			continue;
		unicode_to_utf8(unit, to);
		to += pg_utf_mblen(to);
	}
	if (first != 0)
		return NULL;
	*utf8_length = to - utf8;
	return (char *) utf8;
}

/* Text of bytes in an encoding; NULL when they are none. */
static text *
text_from(const char *bytes, size_t length, int encoding)
{
	if (encoding != GetDatabaseEncoding() && length > 0)
		return convert(bytes, length, encoding);
	if (!is_valid(bytes, length))
		return NULL;
	return cstring_to_text_with_len(bytes, (int) length);
}

/*
 * Can the database hold these bytes, and show them?  PostgreSQL lets bytes
 * pass that its WIN1252, say, has no character for, and a client that has
 * another encoding could then not read the row.
 */
static bool
is_valid(const char *bytes, size_t length)
{
	int			here = GetDatabaseEncoding();

	if (!pg_verify_mbstr(here, bytes, (int) length, true))
		return false;
	return here == PG_UTF8 || here == PG_SQL_ASCII ||
		is_ascii(bytes, length) || has_characters(bytes, length, here);
}

/* Are valid bytes of an encoding characters that UTF-8 has, too? */
static bool
has_characters(const char *bytes, size_t length, int encoding)
{
	while (length > 0)
	{
		int			piece = pg_encoding_mbcliplen(encoding, bytes, (int) length,
												  PIECE_BYTES);
		text	   *utf8 = convert_directly(bytes, piece, encoding, PG_UTF8);

		if (utf8 == NULL)
			return false;
		pfree(utf8);
		bytes += piece;
		length -= piece;
	}
	return true;
}

/* Is no byte beyond ASCII?  Which most fields are. */
static bool
is_ascii(const char *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (IS_HIGHBIT_SET(bytes[i]))
			return false;
	return true;
}

/*
 * Convert to the database's encoding, by way of UTF-8 if there is no shorter
 * one; NULL when that is not possible.  A NUL follows the text.
 */
static text *
convert(const char *bytes, size_t length, int encoding)
{
	int			to = GetDatabaseEncoding();
	text	   *utf8;

	if (OidIsValid(FindDefaultConversionProc(encoding, to)))
		return convert_directly(bytes, length, encoding, to);
	utf8 = convert_directly(bytes, length, encoding, PG_UTF8);
	if (utf8 == NULL)
		return NULL;
	return convert_directly(VARDATA(utf8), VARSIZE(utf8) - VARHDRSZ, PG_UTF8,
							to);
}

/* Convert from one encoding to another; NULL when that is not possible. */
static text *
convert_directly(const char *bytes, size_t length, int from, int to)
{
	Oid			procedure = FindDefaultConversionProc(from, to);
	size_t		room = length * MAX_CONVERSION_GROWTH + 1;
	text	   *result;

	if (!OidIsValid(procedure) || length > MAX_CONVERTED_BYTES ||
		!pg_verify_mbstr(from, bytes, (int) length, true))
		return NULL;
	result = palloc(VARHDRSZ + room);
	if (pg_do_encoding_conversion_buf(procedure, from, to,
									  (unsigned char *) bytes, (int) length,
									  (unsigned char *) VARDATA(result),
									  (int) room, true) != (int) length)
		return NULL;
	SET_VARSIZE(result, VARHDRSZ + strlen(VARDATA(result)));
	return result;
}

/* What is left when no conversion helps: other bytes become '?'. */
static char *
ascii_only(const char *bytes)
{
	char	   *result = pstrdup(bytes);

	for (char *c = result; *c != '\0'; c++)
		if (IS_HIGHBIT_SET(*c))
			*c = '?';
	return result;
}
