/*
 * text.c -- bytes from the network as text of the database.
 *
 * Runs in: client backends and workers, inside a transaction.  Nothing here
 * throws because of what the bytes are.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "tables/text.h"

static int	declared_encoding(const char *content_type);
static char *convert(const char *bytes, size_t length, int encoding);
static char *ascii_only(const char *bytes);

/* Make text of a body, if it is text. */
text *
pgnet_text_from_body(const char *body, size_t length, const char *content_type)
{
	int			encoding = declared_encoding(content_type);
	char	   *converted;

	if (encoding < 0 || memchr(body, '\0', length) != NULL)
		return NULL;
	if (encoding == GetDatabaseEncoding() || length == 0 ||
		GetDatabaseEncoding() == PG_SQL_ASCII)
	{
		if (!pg_verify_mbstr(GetDatabaseEncoding(), body, (int) length, true))
			return NULL;
		return cstring_to_text_with_len(body, (int) length);
	}
	converted = convert(body, length, encoding);
	return converted ? cstring_to_text(converted) : NULL;
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
	char	   *converted;

	if (pg_verify_mbstr(GetDatabaseEncoding(), field, (int) length, true))
		return field;
	converted = convert(field, length, PG_LATIN1);
	return converted ? converted : ascii_only(field);
}

/*
 * The encoding named by the charset parameter of a content type: UTF-8 when
 * there is none, -1 when PostgreSQL does not know the one named.
 */
static int
declared_encoding(const char *content_type)
{
	const char *parameter = content_type;
	char		name[64];
	size_t		length;

	while (parameter != NULL && (parameter = strchr(parameter, ';')) != NULL)
	{
		parameter += 1 + strspn(parameter + 1, " \t");
		if (pg_strncasecmp(parameter, "charset=", 8) != 0)
			continue;
		parameter += 8;
		parameter += *parameter == '"';
		length = strcspn(parameter, "\"; \t");
		if (length == 0 || length >= sizeof(name))
			return -1;
		memcpy(name, parameter, length);
		name[length] = '\0';
		if (pg_strcasecmp(name, "us-ascii") == 0)
			return PG_UTF8;
		return pg_char_to_encoding(name);
	}
	return PG_UTF8;
}

/* Convert to the database's encoding; NULL when that is not possible. */
static char *
convert(const char *bytes, size_t length, int encoding)
{
	int			to = GetDatabaseEncoding();
	Oid			procedure;
	size_t		room;
	char	   *result;

	if (length > MaxAllocSize / MAX_CONVERSION_GROWTH - 1 ||
		!pg_verify_mbstr(encoding, bytes, (int) length, true))
		return NULL;
	procedure = FindDefaultConversionProc(encoding, to);
	if (!OidIsValid(procedure))
		return NULL;
	room = length * MAX_CONVERSION_GROWTH + 1;
	result = palloc(room);
	if (pg_do_encoding_conversion_buf(procedure, encoding, to,
									  (unsigned char *) bytes, (int) length,
									  (unsigned char *) result, (int) room,
									  true) != (int) length)
		return NULL;
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
