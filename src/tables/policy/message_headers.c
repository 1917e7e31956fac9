/*
 * message_headers.c -- header fields that say which message a request is.
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include <time.h>

#include "tables/policy/message_headers.h"
#include "tables/recovery/message_id.h"

#define IDEMPOTENCY_KEY "Idempotency-Key"

static void set_fields(HttpRequest *request, const Field *fields, int nfields);

void
pgnet_message_headers_add_key(Job *job)
{
	HttpRequest *request = &job->request;
	MemoryContext before;
	Field		key;

	if (job->delivery.ndelays == 0 ||
		pgnet_method_is_idempotent(request->method) ||
		pgnet_headers_find(request->headers, request->nheaders,
						   IDEMPOTENCY_KEY) != NULL)
		return;
	before = MemoryContextSwitchTo(request->context);
	key = (Field) {IDEMPOTENCY_KEY, pgnet_message_id(job->id)};
	set_fields(request, &key, 1);
	MemoryContextSwitchTo(before);
}

char *
pgnet_message_headers_sign(Job *job, SigningScheme scheme,
						   const Field *secrets, int nsecrets)
{
	HttpRequest *request = &job->request;
	MemoryContext before = MemoryContextSwitchTo(request->context);
	SignedMessage message = {
		.id = pgnet_message_id(job->id),
		.seconds = (int64) time(NULL),
		.body = request->body,
		.body_len = request->body_len
	};
	Field		fields[PGNET_SIGNING_MAX_FIELDS];
	char	   *problem = NULL;
	int			nfields;

	nfields = pgnet_signing_sign(scheme, secrets, nsecrets, &message, fields,
								 &problem);
	if (nfields > 0)
		set_fields(request, fields, nfields);
	MemoryContextSwitchTo(before);
	return problem;
}

/* Add fields, in place of those of the same names. */
static void
set_fields(HttpRequest *request, const Field *fields, int nfields)
{
	Field	   *headers = palloc(sizeof(Field) *
								 (request->nheaders + nfields));
	int			count = 0;

	for (int i = 0; i < request->nheaders; i++)
		if (pgnet_headers_find(fields, nfields, request->headers[i].name) ==
			NULL)
			headers[count++] = request->headers[i];
	memcpy(headers + count, fields, sizeof(Field) * nfields);
	request->headers = headers;
	request->nheaders = count + nfields;
}
