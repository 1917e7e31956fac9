/*
 * multipart.c -- net.part() and net.multipart(): fields and files together.
 *
 * Runs in: client backends.
 *
 * The format is that of RFC 7578, names and file names as the standard of HTML
 * writes them: UTF-8, with quotes and line breaks as percent escapes.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "api/body.h"

#define MULTIPART_TYPE "multipart/form-data; boundary="

/* Random enough never to be in a part. */
#define BOUNDARY_BYTES 16

/* The attributes of net.http_part. */
enum
{
	PART_NAME,
	PART_FILENAME,
	PART_TYPE,
	PART_CONTENT,
	NATTRIBUTES
};

/* One part; NULL where there is none. */
typedef struct Part
{
	const char *name;
	const char *filename;
	const char *type;
	const char *content;
	size_t		length;
} Part;

PG_FUNCTION_INFO_V1(pgnet_part);
PG_FUNCTION_INFO_V1(pgnet_multipart);

static char *text_argument(FunctionCallInfo fcinfo, int number);
static Datum text_or_null(const char *value, bool *null);
static void append_fields(StringInfo body, const char *boundary,
						  Jsonb *fields);
static void append_parts(StringInfo body, const char *boundary,
						 ArrayType *parts);
static Part read_part(HeapTupleHeader tuple);
static char *text_attribute(HeapTupleHeader tuple, int number);
static void append_part(StringInfo body, const char *boundary,
						const Part *part);
static void append_quoted(StringInfo body, const char *text);
static char *make_boundary(void);
static void refuse_null(const char *what);

/* part(name, body, filename, content_type) */
Datum
pgnet_part(PG_FUNCTION_ARGS)
{
	char	   *name = text_argument(fcinfo, 0);
	char	   *filename = text_argument(fcinfo, 2);
	char	   *type = text_argument(fcinfo, 3);
	HttpBody   *body;
	const char *bytes;
	size_t		length;
	text	   *content;
	TupleDesc	desc;
	Datum		values[NATTRIBUTES];
	bool		nulls[NATTRIBUTES] = {false};

	if (name == NULL)
		refuse_null("name");
	if (PG_ARGISNULL(1))
		refuse_null("body");
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE ||
		desc->natts != NATTRIBUTES)
		elog(ERROR, "net.part() must return net.http_part");
	body = PG_GETARG_HTTP_BODY(1);
	bytes = pgnet_body_bytes(body, &length);
	if (type == NULL)
		type = pgnet_body_type(body);
	/* text is what a field is anyway */
	if (filename == NULL && PG_ARGISNULL(3) &&
		strcmp(type, PGNET_TEXT_TYPE) == 0)
		type = NULL;
	if (type != NULL)
		pgnet_body_check_type(type);

	values[PART_NAME] = text_or_null(name, &nulls[PART_NAME]);
	values[PART_FILENAME] = text_or_null(filename, &nulls[PART_FILENAME]);
	values[PART_TYPE] = text_or_null(type, &nulls[PART_TYPE]);
	/* a bytea is the same bytes behind the same header */
	content = cstring_to_text_with_len(bytes, (int) length);
	values[PART_CONTENT] = PointerGetDatum(content);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc),
													  values, nulls)));
}

/* multipart(fields, VARIADIC parts) */
Datum
pgnet_multipart(PG_FUNCTION_ARGS)
{
	char	   *boundary = make_boundary();
	StringInfoData body;

	initStringInfo(&body);
	if (!PG_ARGISNULL(0))
		append_fields(&body, boundary, PG_GETARG_JSONB_P(0));
	if (!PG_ARGISNULL(1))
		append_parts(&body, boundary, PG_GETARG_ARRAYTYPE_P(1));
	appendStringInfo(&body, "--%s--\r\n", boundary);
	PG_RETURN_POINTER(pgnet_body_make(psprintf("%s%s", MULTIPART_TYPE, boundary),
									  body.data, body.len));
}

/* A text argument, or NULL. */
static char *
text_argument(FunctionCallInfo fcinfo, int number)
{
	if (PG_ARGISNULL(number))
		return NULL;
	return text_to_cstring(PG_GETARG_TEXT_PP(number));
}

/* A value for heap_form_tuple(). */
static Datum
text_or_null(const char *value, bool *null)
{
	*null = value == NULL;
	return value ? CStringGetTextDatum(value) : (Datum) 0;
}

/* The members of an object, as fields. */
static void
append_fields(StringInfo body, const char *boundary, Jsonb *fields)
{
	Field	   *list;
	int			count = pgnet_body_fields(fields, &list);

	for (int i = 0; i < count; i++)
	{
		const char *value = pg_server_to_any(list[i].value,
											 strlen(list[i].value), PG_UTF8);

		append_part(body, boundary,
					&(Part) {
						.name = list[i].name,
						.content = value,
						.length = strlen(value)
					});
	}
}

/* An array of net.http_part; nulls are left out. */
static void
append_parts(StringInfo body, const char *boundary, ArrayType *parts)
{
	Datum	   *elements;
	bool	   *nulls;
	int			count;

	deconstruct_array(parts, ARR_ELEMTYPE(parts), -1, false, TYPALIGN_DOUBLE,
					  &elements, &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		Part		part;

		if (nulls[i])
			continue;
		part = read_part(DatumGetHeapTupleHeader(elements[i]));
		append_part(body, boundary, &part);
	}
}

/* Take a net.http_part apart; it may have been made by hand. */
static Part
read_part(HeapTupleHeader tuple)
{
	Part		part = {
		.name = text_attribute(tuple, PART_NAME),
		.filename = text_attribute(tuple, PART_FILENAME),
		.type = text_attribute(tuple, PART_TYPE)
	};
	bool		null;
	Datum		content = GetAttributeByNum(tuple, PART_CONTENT + 1, &null);
	bytea	   *bytes;

	if (part.name == NULL)
		refuse_null("name");
	if (null)
		refuse_null("content");
	if (part.type != NULL)
		pgnet_body_check_type(part.type);
	bytes = DatumGetByteaPP(content);
	part.content = VARDATA_ANY(bytes);
	part.length = VARSIZE_ANY_EXHDR(bytes);
	return part;
}

/* A text attribute, or NULL. */
static char *
text_attribute(HeapTupleHeader tuple, int number)
{
	bool		null;
	Datum		value = GetAttributeByNum(tuple, number + 1, &null);

	return null ? NULL : TextDatumGetCString(value);
}

/* Write one part (RFC 7578, section 4). */
static void
append_part(StringInfo body, const char *boundary, const Part *part)
{
	appendStringInfo(body, "--%s\r\nContent-Disposition: form-data; name=\"",
					 boundary);
	append_quoted(body, part->name);
	if (part->filename != NULL)
	{
		appendStringInfoString(body, "\"; filename=\"");
		append_quoted(body, part->filename);
	}
	appendStringInfoString(body, "\"\r\n");
	if (part->type != NULL)
		appendStringInfo(body, "Content-Type: %s\r\n", part->type);
	appendStringInfoString(body, "\r\n");
	appendBinaryStringInfo(body, part->content, (int) part->length);
	appendStringInfoString(body, "\r\n");
}

/* https://html.spec.whatwg.org/#multipart-form-data */
static void
append_quoted(StringInfo body, const char *text)
{
	const char *utf8 = pg_server_to_any(text, strlen(text), PG_UTF8);

	for (const char *c = utf8; *c != '\0'; c++)
	{
		if (*c == '"' || *c == '\r' || *c == '\n')
			appendStringInfo(body, "%%%02X", (unsigned char) *c);
		else
			appendStringInfoChar(body, *c);
	}
}

/* What no part contains. */
static char *
make_boundary(void)
{
	unsigned char random[BOUNDARY_BYTES];
	char		digits[BOUNDARY_BYTES * 2 + 1];

	if (!pg_strong_random(random, sizeof(random)))
		ereport(ERROR,
				errcode(ERRCODE_INTERNAL_ERROR),
				errmsg("could not generate a random boundary"));
	digits[hex_encode((char *) random, sizeof(random), digits)] = '\0';
	return psprintf("pg_net-%s", digits);
}

/* The error of a null that would be sent as nothing. */
static void
refuse_null(const char *what)
{
	ereport(ERROR,
			errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
			errmsg("%s of a part must not be null", what));
}
