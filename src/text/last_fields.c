/*
 * last_fields.c -- the header fields converted last.
 *
 * Runs in: workers.
 *
 * The answers of one server often have the same fields, within a second at
 * least, and building a jsonb of them is most of the work on a row.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "text/json_fields.h"
#include "text/last_fields.h"

/* Longer ones are not kept: a worker would hold them while it is idle. */
#define MAX_FIELDS 100
#define MAX_BYTES 8192

/* All in one context, made with the first. */
static MemoryContext context = NULL;
static const Jsonb *last_jsonb = NULL;
static HttpHeader last_fields[MAX_FIELDS];
static int	last_count = -1;

static bool are_last(const HttpHeader *headers, int nheaders);
static void remember(const HttpHeader *headers, int nheaders,
					 const Jsonb *jsonb);
static char *append(char *place, const char *text, const char **copy);

/* Convert them, unless that was done. */
const Jsonb *
pgnet_last_fields_jsonb(const HttpHeader *headers, int nheaders)
{
	const Jsonb *jsonb;

	if (are_last(headers, nheaders))
		return last_jsonb;
	jsonb = pgnet_headers_to_jsonb(headers, nheaders);
	remember(headers, nheaders, jsonb);
	return jsonb;
}

/* Are these the fields converted last? */
static bool
are_last(const HttpHeader *headers, int nheaders)
{
	if (nheaders != last_count)
		return false;
	for (int i = 0; i < nheaders; i++)
		if (strcmp(headers[i].value, last_fields[i].value) != 0 ||
			strcmp(headers[i].name, last_fields[i].name) != 0)
			return false;
	return true;
}

/* Keep fields and what they became in the place of those before. */
static void
remember(const HttpHeader *headers, int nheaders, const Jsonb *jsonb)
{
	size_t		bytes = MAXALIGN(VARSIZE(jsonb));
	char	   *place;

	last_count = -1;
	if (context == NULL)
		context = AllocSetContextCreate(TopMemoryContext, "pg_net last fields",
										ALLOCSET_SMALL_SIZES);
	MemoryContextReset(context);
	for (int i = 0; i < nheaders; i++)
		bytes += strlen(headers[i].name) + strlen(headers[i].value) + 2;
	if (nheaders > MAX_FIELDS || bytes > MAX_BYTES)
		return;

	place = MemoryContextAlloc(context, bytes);
	last_jsonb = (Jsonb *) place;
	memcpy(place, jsonb, VARSIZE(jsonb));
	place += MAXALIGN(VARSIZE(jsonb));
	for (int i = 0; i < nheaders; i++)
	{
		place = append(place, headers[i].name, &last_fields[i].name);
		place = append(place, headers[i].value, &last_fields[i].value);
	}
	last_count = nheaders;
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
