/*
 * transfer_body.c -- the body of an answer, while it arrives.
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include "http/transfer_body.h"

/* The first piece of memory a body gets. */
#define FIRST_ALLOCATION 1024

static bool grow(TransferBody *body, size_t needed);

/*
 * Append to a body.  One that paused goes on after a piece that was refused,
 * as if nothing had happened (lib/easy.c, curl_easy_pause()).
 */
bool
pgnet_body_append(TransferBody *body, const char *bytes, size_t length)
{
	body->too_large = body->too_large || length > body->limit - body->length;
	body->broken = body->broken || body->too_large ||
		(body->length + length > body->allocated &&
		 !grow(body, body->length + length));
	if (body->broken)
		return false;
	/* nothing may come before there is memory */
	if (length > 0)
		memcpy(body->bytes + body->length, bytes, length);
	body->length += length;
	return true;
}

/* Free a body. */
void
pgnet_body_free(TransferBody *body)
{
	free(body->bytes);
	body->memory->allocated -= body->allocated;
	body->bytes = NULL;
	body->length = body->allocated = 0;
}

/*
 * Make room for needed bytes: twice as many as before, but no more than are
 * expected.  Those are not trusted with memory before they are there.
 */
static bool
grow(TransferBody *body, size_t needed)
{
	size_t		size = Max(body->allocated * 2, FIRST_ALLOCATION);
	char	   *larger;

	if (needed <= body->expected)
		size = Min(size, body->expected);
	size = Min(Max(size, needed), body->limit);
	if (body->memory->allocated + (size - body->allocated) >
		body->memory->limit)
	{
		body->no_room = true;
		return false;
	}
	larger = realloc(body->bytes, size);
	if (larger == NULL)
		return false;
	body->bytes = larger;
	body->memory->allocated += size - body->allocated;
	body->memory->highest = Max(body->memory->highest, body->memory->allocated);
	body->allocated = size;
	return true;
}
