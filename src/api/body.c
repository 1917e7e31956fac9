/*
 * body.c -- the type net.http_body: bytes, and what they are.
 *
 * Runs in: client backends.
 *
 * A body is made from text, JSON, XML or binary data by casts, so that a call
 * says what it means by the types of its arguments.  Text is kept as UTF-8.
 *
 * Every literal is text, for a literal may be a parameter that a driver sends.
 * Written out, text is itself.  The rest starts with a mark and its content
 * type, followed by text or, as bytea, by hexadecimal digits:
 *
 *		\body(application/json){"a": 1}
 *		\body(application/octet-stream)\x00ff
 *
 * The mark is read again, so that what was written out is what comes back.
 */
#include "postgres.h"

#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/xml.h"

#include "api/body.h"
#include "text/json_fields.h"

#define MARK "\\body("
#define MARK_END ')'
#define HEX "\\x"

#define XML_TYPE "application/xml; charset=utf-8"

PG_FUNCTION_INFO_V1(pgnet_body_in);
PG_FUNCTION_INFO_V1(pgnet_body_out);
PG_FUNCTION_INFO_V1(pgnet_body_recv);
PG_FUNCTION_INFO_V1(pgnet_body_send);
PG_FUNCTION_INFO_V1(pgnet_body_from_text);
PG_FUNCTION_INFO_V1(pgnet_body_from_bpchar);
PG_FUNCTION_INFO_V1(pgnet_body_from_json);
PG_FUNCTION_INFO_V1(pgnet_body_from_jsonb);
PG_FUNCTION_INFO_V1(pgnet_body_from_xml);
PG_FUNCTION_INFO_V1(pgnet_body_from_bytea);

static HttpBody *make_text(const char *type, const char *text, size_t length);
static HttpBody *read_marked(char *literal);
static bool is_text(const char *bytes, size_t length);
static bool starts_with(const char *bytes, size_t length, const char *start);
static char *hexadecimal(const char *bytes, size_t length);

/* Make a value. */
HttpBody *
pgnet_body_make(const char *type, const char *bytes, size_t length)
{
	size_t		type_length = strlen(type);
	size_t		size = offsetof(HttpBody, data) + type_length + length;
	HttpBody   *body = palloc(size);

	SET_VARSIZE(body, size);
	body->type_length = (int32) type_length;
	memcpy(body->data, type, type_length);
	memcpy(body->data + type_length, bytes, length);
	return body;
}

/* What it is. */
char *
pgnet_body_type(const HttpBody *body)
{
	return pnstrdup(body->data, body->type_length);
}

/* Its bytes. */
const char *
pgnet_body_bytes(const HttpBody *body, size_t *length)
{
	*length = VARSIZE(body) - offsetof(HttpBody, data) - body->type_length;
	return body->data + body->type_length;
}

/* A content type is a header field's value: printable ASCII. */
void
pgnet_body_check_type(const char *type)
{
	for (const char *c = type; *c != '\0'; c++)
		if (*c < ' ' || *c > '~')
			ereport(ERROR,
					errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("a content type must be printable ASCII"));
	if (*type == '\0')
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("a content type must not be empty"));
}

/* Read the fields of a form. */
int
pgnet_body_fields(Jsonb *jsonb, Field **fields)
{
	int			nfields;
	char	   *problem;

	if (!pgnet_json_fields_read(jsonb, "fields", PGNET_ARRAYS_REPEAT, fields,
								&nfields, &problem))
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("%s", problem));
	return nfields;
}

/* The input function. */
Datum
pgnet_body_in(PG_FUNCTION_ARGS)
{
	char	   *literal = PG_GETARG_CSTRING(0);

	if (starts_with(literal, strlen(literal), MARK))
		PG_RETURN_POINTER(read_marked(literal));
	PG_RETURN_POINTER(make_text(PGNET_TEXT_TYPE, literal, strlen(literal)));
}

/* The output function. */
Datum
pgnet_body_out(PG_FUNCTION_ARGS)
{
	HttpBody   *body = PG_GETARG_HTTP_BODY(0);
	char	   *type = pgnet_body_type(body);
	size_t		length;
	const char *bytes = pgnet_body_bytes(body, &length);
	char	   *written;

	if (is_text(bytes, length) && !starts_with(bytes, length, HEX))
		written = pnstrdup(bytes, length);
	else
		written = hexadecimal(bytes, length);
	if (strcmp(type, PGNET_TEXT_TYPE) != 0 || !is_text(bytes, length) ||
		starts_with(bytes, length, MARK))
		PG_RETURN_CSTRING(psprintf("%s%s%c%s", MARK, type, MARK_END, written));
	PG_RETURN_CSTRING(pnstrdup(bytes, length));
}

/* The binary input function: the content type with its length, the bytes. */
Datum
pgnet_body_recv(PG_FUNCTION_ARGS)
{
	StringInfo	message = (StringInfo) PG_GETARG_POINTER(0);
	int			type_length = pq_getmsgint(message, 4);
	char	   *type;
	int			length;

	if (type_length < 0 || type_length > message->len - message->cursor)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				errmsg("invalid external \"net.http_body\" value"));
	type = pnstrdup(pq_getmsgbytes(message, type_length), type_length);
	pgnet_body_check_type(type);
	length = message->len - message->cursor;
	PG_RETURN_POINTER(pgnet_body_make(type, pq_getmsgbytes(message, length),
									  length));
}

/* The binary output function. */
Datum
pgnet_body_send(PG_FUNCTION_ARGS)
{
	HttpBody   *body = PG_GETARG_HTTP_BODY(0);
	size_t		length;
	const char *bytes = pgnet_body_bytes(body, &length);
	StringInfoData message;

	pq_begintypsend(&message);
	pq_sendint32(&message, body->type_length);
	pq_sendbytes(&message, body->data, body->type_length);
	pq_sendbytes(&message, bytes, (int) length);
	PG_RETURN_BYTEA_P(pq_endtypsend(&message));
}

/* The cast of text and varchar. */
Datum
pgnet_body_from_text(PG_FUNCTION_ARGS)
{
	text	   *value = PG_GETARG_TEXT_PP(0);

	PG_RETURN_POINTER(make_text(PGNET_TEXT_TYPE, VARDATA_ANY(value),
								VARSIZE_ANY_EXHDR(value)));
}

/* The cast of char(n): without its blanks at the end, as when made text. */
Datum
pgnet_body_from_bpchar(PG_FUNCTION_ARGS)
{
	text	   *value = DatumGetTextPP(DirectFunctionCall1(rtrim1,
														   PG_GETARG_DATUM(0)));

	PG_RETURN_POINTER(make_text(PGNET_TEXT_TYPE, VARDATA_ANY(value),
								VARSIZE_ANY_EXHDR(value)));
}

/* The cast of json, which is text underneath. */
Datum
pgnet_body_from_json(PG_FUNCTION_ARGS)
{
	text	   *value = PG_GETARG_TEXT_PP(0);

	PG_RETURN_POINTER(make_text(PGNET_JSON_TYPE, VARDATA_ANY(value),
								VARSIZE_ANY_EXHDR(value)));
}

/* The cast of jsonb. */
Datum
pgnet_body_from_jsonb(PG_FUNCTION_ARGS)
{
	Jsonb	   *value = PG_GETARG_JSONB_P(0);
	char	   *written = JsonbToCString(NULL, &value->root, VARSIZE(value));

	PG_RETURN_POINTER(make_text(PGNET_JSON_TYPE, written, strlen(written)));
}

/* The cast of xml; xml_out() leaves out an encoding that is not true now. */
Datum
pgnet_body_from_xml(PG_FUNCTION_ARGS)
{
	Datum		out = DirectFunctionCall1(xml_out, PG_GETARG_DATUM(0));
	char	   *written = DatumGetCString(out);

	PG_RETURN_POINTER(make_text(XML_TYPE, written, strlen(written)));
}

/* The cast of bytea. */
Datum
pgnet_body_from_bytea(PG_FUNCTION_ARGS)
{
	bytea	   *value = PG_GETARG_BYTEA_PP(0);

	PG_RETURN_POINTER(pgnet_body_make(PGNET_BINARY_TYPE, VARDATA_ANY(value),
									  VARSIZE_ANY_EXHDR(value)));
}

/* A body of text in the database's encoding. */
static HttpBody *
make_text(const char *type, const char *text, size_t length)
{
	char	   *utf8 = pg_server_to_any(text, (int) length, PG_UTF8);

	return pgnet_body_make(type, utf8, utf8 == text ? length : strlen(utf8));
}

/* Read a literal that starts with the mark. */
static HttpBody *
read_marked(char *literal)
{
	char	   *type = literal + strlen(MARK);
	size_t		length = strcspn(type, (char[]) {MARK_END, '\0'});
	char	   *rest = type + length + 1;

	if (type[length] == '\0')
		ereport(ERROR,
				errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				errmsg("invalid input syntax for type net.http_body"),
				errdetail("After \"" MARK "\" there must be a content type and a closing parenthesis."),
				errhint("To pass text that starts like this, cast it to text first."));
	type = pnstrdup(type, length);
	pgnet_body_check_type(type);
	if (starts_with(rest, strlen(rest), HEX))
	{
		Datum		in = DirectFunctionCall1(byteain, CStringGetDatum(rest));
		bytea	   *bytes = DatumGetByteaPP(in);

		return pgnet_body_make(type, VARDATA_ANY(bytes),
							   VARSIZE_ANY_EXHDR(bytes));
	}
	return make_text(type, rest, strlen(rest));
}

/*
 * Can bytes be written out as they are?  UTF-8 in a database of that encoding,
 * else ASCII, which is the same in all of them.
 */
static bool
is_text(const char *bytes, size_t length)
{
	int			encoding = GetDatabaseEncoding();

	if (encoding != PG_UTF8)
		encoding = PG_SQL_ASCII;
	for (size_t i = 0; encoding == PG_SQL_ASCII && i < length; i++)
		if (IS_HIGHBIT_SET(bytes[i]))
			return false;
	return pg_verify_mbstr(encoding, bytes, (int) length, true);
}

/* Do bytes start with a string? */
static bool
starts_with(const char *bytes, size_t length, const char *start)
{
	return length >= strlen(start) && memcmp(bytes, start, strlen(start)) == 0;
}

/* Bytes as bytea writes them in its hexadecimal format. */
static char *
hexadecimal(const char *bytes, size_t length)
{
	char	   *written = palloc(strlen(HEX) + length * 2 + 1);
	char	   *digits = written + strlen(HEX);

	strcpy(written, HEX);
	digits[hex_encode(bytes, length, digits)] = '\0';
	return written;
}
