/*
 * json_fields.c -- header fields between jsonb and our own struct.
 *
 * Runs in: client backends and workers.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "common/pg_prng.h"
#include "lib/stringinfo.h"
#include "port/pg_bitutils.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#include "compat.h"
#include "text/convert.h"
#include "text/json_fields.h"

/* More than the fields, so that most have a place of their own. */
#define PLACES_PER_FIELD 2

/* One of received fields, and the next one of the same name. */
typedef struct Field
{
	const HttpHeader *header;
	uint32		hash;			/* of the name in small letters */
	struct Field *next;
	struct Field *last;			/* of the name; of the first one only */
} Field;

static const char *jsonb_type_name(Jsonb *jsonb);
static Field *group_by_name(const HttpHeader *headers, int nheaders);
static Field **find_place(Field **places, uint32 nplaces, const Field *field);
static uint32 hash_name(const char *name);
static void push_field(PgnetJsonbState *state, const Field *field);
static void push_text(PgnetJsonbState *state, JsonbIteratorToken token,
					  const char *text);

/* Turn the members of an object into header fields. */
bool
pgnet_headers_from_jsonb(Jsonb *jsonb, const char *what, HttpHeader **headers,
						 int *nheaders, char **problem)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	value;
	int			n = 0;

	*headers = NULL;
	*nheaders = 0;
	if (jsonb == NULL)
		return true;
	if (!JB_ROOT_IS_OBJECT(jsonb))
	{
		*problem = psprintf("%s must be a JSON object, not %s", what,
							jsonb_type_name(jsonb));
		return false;
	}
	if (JB_ROOT_COUNT(jsonb) == 0)
		return true;

	*headers = palloc(sizeof(HttpHeader) * JB_ROOT_COUNT(jsonb));
	iterator = JsonbIteratorInit(&jsonb->root);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			(*headers)[n].name = pnstrdup(value.val.string.val,
										  value.val.string.len);
		else if (token == WJB_VALUE && value.type != jbvNull)
			(*headers)[n++].value = pgnet_headers_value(&value);
	}
	*nheaders = n;
	return true;
}

/*
 * Build the object of received fields.  A field that came more than once is
 * one member: its values joined by ", " (RFC 9110, section 5.2), but for
 * Set-Cookie, whose values may hold commas, an array.
 */
Jsonb *
pgnet_headers_to_jsonb(const HttpHeader *headers, int nheaders)
{
	PgnetJsonbState state = {0};
	Field	   *fields = group_by_name(headers, nheaders);

	pgnet_jsonb_push(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < nheaders; i++)
	{
		/* those that follow another of their name come with it */
		if (fields[i].last == NULL)
			continue;
		push_text(&state, WJB_KEY, headers[i].name);
		push_field(&state, &fields[i]);
	}
	pgnet_jsonb_push(&state, WJB_END_OBJECT, NULL);
	return JsonbValueToJsonb(state.result);
}

/* Turn one value into text. */
char *
pgnet_headers_value(const JsonbValue *value)
{
	Datum		number;

	switch (value->type)
	{
		case jbvString:
			return pnstrdup(value->val.string.val, value->val.string.len);
		case jbvNumeric:
			number = NumericGetDatum(value->val.numeric);
			return DatumGetCString(DirectFunctionCall1(numeric_out, number));
		case jbvBool:
			return pstrdup(value->val.boolean ? "true" : "false");
		default:
			return JsonbToCString(NULL, value->val.binary.data,
								  value->val.binary.len);
	}
}

/* What a jsonb that is no object is, for a message. */
static const char *
jsonb_type_name(Jsonb *jsonb)
{
	JsonbValue	scalar;

	if (!JsonbExtractScalar(&jsonb->root, &scalar))
		return "an array";
	switch (scalar.type)
	{
		case jbvString:
			return "a string";
		case jbvNumeric:
			return "a number";
		case jbvBool:
			return "a boolean";
		default:
			return "null";
	}
}

/* Chain the fields of each name, in order. */
static Field *
group_by_name(const HttpHeader *headers, int nheaders)
{
	uint32		nplaces = pg_nextpower2_32(nheaders * PLACES_PER_FIELD + 1);
	Field	  **places = palloc0(sizeof(Field *) * nplaces);
	Field	   *fields = palloc0(sizeof(Field) * (nheaders + 1));

	for (int i = 0; i < nheaders; i++)
	{
		Field	   *field = &fields[i];
		Field	  **place;

		field->header = &headers[i];
		field->hash = hash_name(headers[i].name);
		place = find_place(places, nplaces, field);
		if (*place == NULL)
			*place = field->last = field;
		else
			(*place)->last = (*place)->last->next = field;
	}
	pfree(places);
	return fields;
}

/* Where the first field of that name is, or may be put. */
static Field **
find_place(Field **places, uint32 nplaces, const Field *field)
{
	uint32		i = field->hash & (nplaces - 1);

	while (places[i] != NULL &&
		   (places[i]->hash != field->hash ||
			pg_strcasecmp(places[i]->header->name, field->header->name) != 0))
		i = (i + 1) & (nplaces - 1);
	return &places[i];
}

/* Servers choose the names, and must not be able to choose the hashes. */
static uint32
hash_name(const char *name)
{
	static uint64 seed = 0;
	size_t		length = strlen(name);
	char		buffer[256];
	char	   *small = length <= sizeof(buffer) ? buffer : palloc(length);
	uint64		hash;

	if (seed == 0)
		seed = pg_prng_uint64(&pg_global_prng_state) | 1;
	for (size_t i = 0; i < length; i++)
		small[i] = (char) pg_ascii_tolower((unsigned char) name[i]);
	hash = hash_bytes_extended((unsigned char *) small, (int) length, seed);
	if (small != buffer)
		pfree(small);
	return (uint32) hash;
}

/* Push the value of a field, or the values of all of its name. */
static void
push_field(PgnetJsonbState *state, const Field *field)
{
	StringInfoData joined;

	if (field->next == NULL)
	{
		push_text(state, WJB_VALUE, field->header->value);
		return;
	}
	if (pg_strcasecmp(field->header->name, "Set-Cookie") == 0)
	{
		pgnet_jsonb_push(state, WJB_BEGIN_ARRAY, NULL);
		for (; field != NULL; field = field->next)
			push_text(state, WJB_ELEM, field->header->value);
		pgnet_jsonb_push(state, WJB_END_ARRAY, NULL);
		return;
	}
	initStringInfo(&joined);
	for (const char *comma = ""; field != NULL; field = field->next, comma = ", ")
		appendStringInfo(&joined, "%s%s", comma,
						 pgnet_text_from_header(field->header->value));
	push_text(state, WJB_VALUE, joined.data);
}

/* Push one string, made valid in the database's encoding. */
static void
push_text(PgnetJsonbState *state, JsonbIteratorToken token, const char *text)
{
	const char *valid = pgnet_text_from_header(text);
	JsonbValue	value;

	value.type = jbvString;
	value.val.string.val = unconstify(char *, valid);
	value.val.string.len = strlen(valid);
	pgnet_jsonb_push(state, token, &value);
}
