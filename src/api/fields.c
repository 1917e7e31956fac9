/*
 * fields.c -- names and values from a JSON object, names repeated for arrays.
 *
 * Runs in: client backends.
 */
#include "postgres.h"

#include "api/fields.h"
#include "text/json_fields.h"

/* What was found so far. */
typedef struct FieldList
{
	Field	   *fields;
	int			nfields;
	int			room;
} FieldList;

static void add_values(FieldList *list, const char *name,
					   const JsonbValue *value);
static void add(FieldList *list, const char *name, const JsonbValue *value);
static void require_object(Jsonb *jsonb, const char *what);

/* Read the members of an object. */
int
pgnet_fields_read(Jsonb *jsonb, const char *what, Field **fields)
{
	FieldList	list = {0};
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	value;
	char	   *name = NULL;

	*fields = NULL;
	if (jsonb == NULL)
		return 0;
	require_object(jsonb, what);
	iterator = JsonbIteratorInit(&jsonb->root);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			name = pnstrdup(value.val.string.val, value.val.string.len);
		else if (token == WJB_VALUE)
			add_values(&list, name, &value);
	}
	*fields = list.fields;
	return list.nfields;
}

/* Add one field, or one for each element of an array. */
static void
add_values(FieldList *list, const char *name, const JsonbValue *value)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	element;

	if (value->type != jbvBinary ||
		!JsonContainerIsArray(value->val.binary.data))
	{
		add(list, name, value);
		return;
	}
	iterator = JsonbIteratorInit(value->val.binary.data);
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
		list->room = Max(list->room * 2, 8);
		list->fields = list->fields == NULL ?
			palloc(sizeof(Field) * list->room) :
			repalloc(list->fields, sizeof(Field) * list->room);
	}
	list->fields[list->nfields++] = (Field) {
		.name = name,
		.value = pgnet_headers_value(value)
	};
}

/* Only objects have names. */
static void
require_object(Jsonb *jsonb, const char *what)
{
	HttpHeader *unused;
	int			nunused;
	char	   *problem;

	if (!JB_ROOT_IS_OBJECT(jsonb) &&
		!pgnet_headers_from_jsonb(jsonb, what, &unused, &nunused, &problem))
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("%s", problem));
}
