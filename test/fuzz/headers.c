/*
 * headers.c -- fuzzes src/text/json_fields.c: fields of a user, and of a server.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "exchange.h"
#include "fuzz.h"
#include "text/json_fields.h"

#define MAX_FIELDS 64

static void from_user(const uint8 *data, size_t size);
static void from_server(const uint8 *data, size_t size);
static Jsonb *parse(const char *json);

/* The first byte says whose they are. */
void
fuzz_headers(const uint8 *data, size_t size)
{
	if (size == 0)
		return;
	if (*data == '{' || *data == '[' || *data == '"')
		from_user(data, size);
	else
		from_server(data, size);
}

/* JSON, if it is any. */
static void
from_user(const uint8 *data, size_t size)
{
	const char *json = fuzz_string(&data, &size);
	Jsonb	   *jsonb = fuzz_is_text(json) ? parse(json) : NULL;
	Field *headers;
	int			nheaders;
	char	   *problem = NULL;

	if (jsonb == NULL)
		return;
	if (!pgnet_json_fields_read(jsonb, "headers", PGNET_ARRAYS_TEXT, &headers, &nheaders,
								  &problem))
	{
		FUZZ_CHECK(problem != NULL);
		return;
	}
	for (int i = 0; i < nheaders; i++)
	{
		problem = pgnet_header_problem(&headers[i]);
		FUZZ_CHECK(problem == NULL || fuzz_is_text(problem));
		if (problem != NULL)
			continue;
		FUZZ_CHECK(strpbrk(headers[i].value, "\r\n") == NULL);
		FUZZ_CHECK(strpbrk(headers[i].name, "\r\n: ;\"") == NULL);
	}
}

/* Names and values, any bytes. */
static void
from_server(const uint8 *data, size_t size)
{
	Field	headers[MAX_FIELDS];
	int			nheaders = 0;
	Jsonb	   *jsonb;
	char	   *json;

	while (nheaders < MAX_FIELDS)
	{
		const char *name = fuzz_string(&data, &size);
		const char *value = fuzz_string(&data, &size);

		if (value == NULL)
			break;
		headers[nheaders++] = (Field) {name, value};
	}
	jsonb = pgnet_json_fields_build(headers, nheaders);
	FUZZ_CHECK(JB_ROOT_IS_OBJECT(jsonb) &&
			   (int) JB_ROOT_COUNT(jsonb) <= nheaders);
	json = JsonbToCString(NULL, &jsonb->root, VARSIZE(jsonb));
	FUZZ_CHECK(fuzz_is_text(json));
	FUZZ_CHECK(parse(json) != NULL);
	for (int i = 0; i < nheaders; i++)
		FUZZ_CHECK(pgnet_headers_find(headers, nheaders, headers[i].name));
}

/* A jsonb, or NULL. */
static Jsonb *
parse(const char *json)
{
	MemoryContext before = CurrentMemoryContext;
	Jsonb	   *volatile jsonb = NULL;

	PG_TRY();
	{
		Datum		value = DirectFunctionCall1(jsonb_in,
												CStringGetDatum(json));

		jsonb = DatumGetJsonbP(value);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(before);
		FlushErrorState();
	}
	PG_END_TRY();
	return jsonb;
}
