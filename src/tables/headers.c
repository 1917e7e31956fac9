/*
 * headers.c -- header fields between jsonb and our own struct.
 *
 * Runs in: client backends and workers.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#include "tables/headers.h"
#include "tables/text.h"

static const char *jsonb_type_name(Jsonb *jsonb);
static inline bool same_name(const char *one, const char *other);
static bool seen_before(const HttpHeader *headers, int index);
static void push_field(JsonbParseState **state, const HttpHeader *headers,
					   int nheaders, int index);
static void push_text(JsonbParseState **state, JsonbIteratorToken token,
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
	JsonbParseState *state = NULL;
	JsonbValue *object;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < nheaders; i++)
	{
		if (seen_before(headers, i))
			continue;
		push_text(&state, WJB_KEY, headers[i].name);
		push_field(&state, headers, nheaders, i);
	}
	object = pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	return JsonbValueToJsonb(object);
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

/* Names differ in their first letter mostly, so that is looked at first. */
static inline bool
same_name(const char *one, const char *other)
{
	return pg_ascii_tolower(*one) == pg_ascii_tolower(*other) &&
		pg_strcasecmp(one, other) == 0;
}

/* Did a field of this name come before? */
static bool
seen_before(const HttpHeader *headers, int index)
{
	for (int i = 0; i < index; i++)
		if (same_name(headers[i].name, headers[index].name))
			return true;
	return false;
}

/* Push the value, or values, of the field that comes first at index. */
static void
push_field(JsonbParseState **state, const HttpHeader *headers, int nheaders,
		   int index)
{
	const char *name = headers[index].name;
	bool		as_array = same_name(name, "Set-Cookie");
	int			values = 0;
	StringInfoData joined;

	for (int i = index; i < nheaders; i++)
		if (same_name(headers[i].name, name))
			values++;
	if (values == 1)
	{
		push_text(state, WJB_VALUE, headers[index].value);
		return;
	}

	initStringInfo(&joined);
	if (as_array)
		pushJsonbValue(state, WJB_BEGIN_ARRAY, NULL);
	for (int i = index; i < nheaders; i++)
	{
		if (!same_name(headers[i].name, name))
			continue;
		if (as_array)
			push_text(state, WJB_ELEM, headers[i].value);
		else
			appendStringInfo(&joined, "%s%s", i > index ? ", " : "",
							 pgnet_text_from_header(headers[i].value));
	}
	if (as_array)
		pushJsonbValue(state, WJB_END_ARRAY, NULL);
	else
		push_text(state, WJB_VALUE, joined.data);
}

/* Push one string, made valid in the database's encoding. */
static void
push_text(JsonbParseState **state, JsonbIteratorToken token, const char *text)
{
	const char *valid = pgnet_text_from_header(text);
	JsonbValue	value;

	value.type = jbvString;
	value.val.string.val = unconstify(char *, valid);
	value.val.string.len = strlen(valid);
	pushJsonbValue(state, token, &value);
}
