/*
 * json_fields.c -- fields between jsonb and our own struct.
 *
 * Runs in: client backends and workers.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "common/pg_prng.h"
#include "lib/stringinfo.h"
#include "port/pg_bitutils.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

#include "compat.h"
#include "text/convert.h"
#include "text/json_fields.h"

/* More than the fields, so that most have a place of their own. */
#define PLACES_PER_FIELD 2

/* What was read so far. */
typedef struct FieldList
{
	Field	   *fields;
	int			nfields;
	int			room;
} FieldList;

/* One of received fields, and the next one of the same name. */
typedef struct ReceivedField
{
	const Field *field;
	uint32		hash;			/* of the name in small letters */
	struct ReceivedField *next;
	struct ReceivedField *last; /* of the name; of the first one only */
} ReceivedField;

/*
 * The fields that were built last.  The answers of one server often have the
 * same ones, within a second at least, and building them is most of the work
 * on a row.  Longer ones are not kept: a worker would hold them while it is
 * idle.
 */
#define MAX_LAST_FIELDS 100
#define MAX_LAST_BYTES 8192

/* All in one context, made with the first. */
static MemoryContext last_context = NULL;
static const Jsonb *last_jsonb = NULL;
static Field last_fields[MAX_LAST_FIELDS];
static int	last_count = -1;

static const char *jsonb_type_name(Jsonb *jsonb);
static bool is_array(const JsonbValue *value);
static void add_elements(FieldList *list, const char *name,
						 const JsonbValue *array);
static void add(FieldList *list, const char *name, const JsonbValue *value);
static char *text_of(const JsonbValue *value);
static ReceivedField *group_by_name(const Field *fields, int nfields);
static ReceivedField **find_place(ReceivedField **places, uint32 nplaces,
								  const ReceivedField *field);
static uint32 hash_name(const char *name);
static void push_field(PgnetJsonbState *state, const ReceivedField *field);
static void push_text(PgnetJsonbState *state, JsonbIteratorToken token,
					  const char *text);
static bool are_last(const Field *fields, int nfields);
static void remember(const Field *fields, int nfields, const Jsonb *jsonb);
static char *append(char *place, const char *text, const char **copy);

/* Read the members of an object. */
bool
pgnet_json_fields_read(Jsonb *jsonb, const char *what, JsonArrays arrays,
					   Field **fields, int *nfields, char **problem)
{
	FieldList	list = {0};
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	value;
	char	   *name = NULL;

	*fields = NULL;
	*nfields = 0;
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

	list.room = JB_ROOT_COUNT(jsonb);
	list.fields = palloc(sizeof(Field) * list.room);
	iterator = JsonbIteratorInit(&jsonb->root);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			name = pnstrdup(value.val.string.val, value.val.string.len);
		else if (token == WJB_VALUE && arrays == PGNET_ARRAYS_REPEAT &&
				 is_array(&value))
			add_elements(&list, name, &value);
		else if (token == WJB_VALUE)
			add(&list, name, &value);
	}
	*fields = list.fields;
	*nfields = list.nfields;
	return true;
}

/* Is a value an array? */
static bool
is_array(const JsonbValue *value)
{
	return value->type == jbvBinary &&
		JsonContainerIsArray(value->val.binary.data);
}

/* Add one field for each element of an array. */
static void
add_elements(FieldList *list, const char *name, const JsonbValue *array)
{
	JsonbIterator *iterator = JsonbIteratorInit(array->val.binary.data);
	JsonbIteratorToken token;
	JsonbValue	element;

	while ((token = JsonbIteratorNext(&iterator, &element, true)) != WJB_DONE)
		if (token == WJB_ELEM)
			add(list, name, &element);
}

/* Add one field, unless it is null. */
static void
add(FieldList *list, const char *name, const JsonbValue *value)
{
	if (value->type == jbvNull)
		return;
	if (list->nfields == list->room)
	{
		list->room *= 2;
		list->fields = repalloc(list->fields, sizeof(Field) * list->room);
	}
	list->fields[list->nfields++] = (Field) {
		.name = name,
		.value = text_of(value)
	};
}

/*
 * Build the object of received fields.  A field that came more than once is
 * one member: its values joined by ", " (RFC 9110, section 5.2), but for
 * Set-Cookie, whose values may hold commas, an array.
 */
Jsonb *
pgnet_json_fields_build(const Field *fields, int nfields)
{
	PgnetJsonbState state = {0};
	ReceivedField *received = group_by_name(fields, nfields);

	pgnet_jsonb_push(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < nfields; i++)
	{
		/* those that follow another of their name come with it */
		if (received[i].last == NULL)
			continue;
		push_text(&state, WJB_KEY, fields[i].name);
		push_field(&state, &received[i]);
	}
	pgnet_jsonb_push(&state, WJB_END_OBJECT, NULL);
	return JsonbValueToJsonb(state.result);
}

/* One value, not null, as text. */
static char *
text_of(const JsonbValue *value)
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
static ReceivedField *
group_by_name(const Field *fields, int nfields)
{
	uint32		nplaces = pg_nextpower2_32(nfields * PLACES_PER_FIELD + 1);
	ReceivedField **places = palloc0(sizeof(ReceivedField *) * nplaces);
	ReceivedField *received = palloc0(sizeof(ReceivedField) * (nfields + 1));

	for (int i = 0; i < nfields; i++)
	{
		ReceivedField *field = &received[i];
		ReceivedField **place;

		field->field = &fields[i];
		field->hash = hash_name(fields[i].name);
		place = find_place(places, nplaces, field);
		if (*place == NULL)
			*place = field->last = field;
		else
			(*place)->last = (*place)->last->next = field;
	}
	pfree(places);
	return received;
}

/* Where the first field of that name is, or may be put. */
static ReceivedField **
find_place(ReceivedField **places, uint32 nplaces, const ReceivedField *field)
{
	uint32		i = field->hash & (nplaces - 1);

	while (places[i] != NULL &&
		   (places[i]->hash != field->hash ||
			pg_strcasecmp(places[i]->field->name, field->field->name) != 0))
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
push_field(PgnetJsonbState *state, const ReceivedField *field)
{
	StringInfoData joined;

	if (field->next == NULL)
	{
		push_text(state, WJB_VALUE, field->field->value);
		return;
	}
	if (pg_strcasecmp(field->field->name, "Set-Cookie") == 0)
	{
		pgnet_jsonb_push(state, WJB_BEGIN_ARRAY, NULL);
		for (; field != NULL; field = field->next)
			push_text(state, WJB_ELEM, field->field->value);
		pgnet_jsonb_push(state, WJB_END_ARRAY, NULL);
		return;
	}
	initStringInfo(&joined);
	for (const char *comma = ""; field != NULL; field = field->next, comma = ", ")
		appendStringInfo(&joined, "%s%s", comma,
						 pgnet_text_from_header(field->field->value));
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

/* Build it, unless that was done. */
const Jsonb *
pgnet_json_fields_build_cached(const Field *fields, int nfields)
{
	const Jsonb *jsonb;

	if (are_last(fields, nfields))
		return last_jsonb;
	jsonb = pgnet_json_fields_build(fields, nfields);
	remember(fields, nfields, jsonb);
	return jsonb;
}

/* Are these the fields that were built last? */
static bool
are_last(const Field *fields, int nfields)
{
	if (nfields != last_count)
		return false;
	for (int i = 0; i < nfields; i++)
		if (strcmp(fields[i].value, last_fields[i].value) != 0 ||
			strcmp(fields[i].name, last_fields[i].name) != 0)
			return false;
	return true;
}

/* Keep fields and what they became in the place of those before. */
static void
remember(const Field *fields, int nfields, const Jsonb *jsonb)
{
	size_t		bytes = MAXALIGN(VARSIZE(jsonb));
	char	   *place;

	last_count = -1;
	if (last_context == NULL)
		last_context = AllocSetContextCreate(TopMemoryContext,
											 "pg_net last fields",
											 ALLOCSET_SMALL_SIZES);
	MemoryContextReset(last_context);
	for (int i = 0; i < nfields; i++)
		bytes += strlen(fields[i].name) + strlen(fields[i].value) + 2;
	if (nfields > MAX_LAST_FIELDS || bytes > MAX_LAST_BYTES)
		return;

	place = MemoryContextAlloc(last_context, bytes);
	last_jsonb = (Jsonb *) place;
	memcpy(place, jsonb, VARSIZE(jsonb));
	place += MAXALIGN(VARSIZE(jsonb));
	for (int i = 0; i < nfields; i++)
	{
		place = append(place, fields[i].name, &last_fields[i].name);
		place = append(place, fields[i].value, &last_fields[i].value);
	}
	last_count = nfields;
}

/* Copy a string; where the next one goes. */
static char *
append(char *place, const char *text, const char **copy)
{
	size_t		size = strlen(text) + 1;

	memcpy(place, text, size);
	*copy = place;
	return place + size;
}
