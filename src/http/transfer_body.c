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
static bool take_memory(TransferBody *body, size_t bytes);

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

/* Count memory. */
bool
pgnet_body_reserve(TransferBody *body, size_t bytes)
{
	body->broken = body->broken || !take_memory(body, bytes);
	return !body->broken;
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
	if (!take_memory(body, size - body->allocated))
		return false;
	larger = realloc(body->bytes, size);
	if (larger == NULL)
	{
		body->memory->allocated -= size - body->allocated;
		return false;
	}
	body->bytes = larger;
	body->allocated = size;
	return true;
}

/* Take memory from what there is for all. */
static bool
take_memory(TransferBody *body, size_t bytes)
{
	BodyMemory *memory = body->memory;

	body->no_room = memory->allocated + bytes > memory->limit;
	if (body->no_room)
		return false;
	memory->allocated += bytes;
	memory->highest = Max(memory->highest, memory->allocated);
	return true;
}
