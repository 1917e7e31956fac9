/*
 * transfer_body.c -- the body of an answer, while it arrives.
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include "compat.h"
#include "http/transfer_body.h"

/* The first piece of memory a body gets. */
#define FIRST_ALLOCATION 1024

/* What is read of a body beyond what is kept of it, to keep the connection. */
#define MOST_DROPPED_BYTES ((size_t) 1024 * 1024)

static bool grow(TransferBody *body, size_t needed);
static size_t size_for(const TransferBody *body, size_t needed);
static bool take_memory(TransferBody *body, size_t bytes);

size_t
pgnet_body_growth(const TransferBody *body, size_t length)
{
	size_t		needed = Min(body->length + length, body->kept);

	if (needed <= body->allocated || needed > body->limit)
		return 0;
	return size_for(body, needed) - body->allocated;
}

/*
 * Append to a body.  One that paused goes on after a piece that was refused,
 * as if nothing had happened (lib/easy.c, curl_easy_pause()).
 */
bool
pgnet_body_append(TransferBody *body, const char *bytes, size_t length)
{
	size_t		room = body->kept - body->length;
	size_t		excess = length > room ? length - room : 0;

	length -= excess;
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
	body->receiver.received += length;
	body->dropped += excess;
	body->cut = body->dropped > MOST_DROPPED_BYTES;
	return !body->cut;
}

/* Count memory. */
bool
pgnet_body_reserve(TransferBody *body, size_t bytes)
{
	body->broken = body->broken || !take_memory(body, bytes);
	if (!body->broken)
		body->reserved += bytes;
	return !body->broken;
}

void
pgnet_body_release(TransferBody *body, size_t bytes)
{
	body->reserved -= bytes;
	pgnet_body_budget_give(body->budget, &body->receiver, bytes);
}

/* Free a body. */
void
pgnet_body_free(TransferBody *body)
{
	free(body->datum);
	pgnet_body_budget_give(body->budget, &body->receiver,
						   body->allocated + body->reserved);
	body->datum = NULL;
	body->bytes = NULL;
	body->length = body->allocated = body->reserved = 0;
}

static bool
grow(TransferBody *body, size_t needed)
{
	size_t		size = size_for(body, needed);
	struct varlena *larger;

	if (!take_memory(body, size - body->allocated))
		return false;
	larger = realloc(body->datum, VARHDRSZ + size);
	if (larger == NULL)
	{
		pgnet_body_budget_give(body->budget, &body->receiver,
							   size - body->allocated);
		return false;
	}
	body->datum = larger;
	body->bytes = VARDATA(larger);
	body->allocated = size;
	return true;
}

/*
 * How much to allocate for needed bytes: twice as much as before, but no more
 * than is expected.  That is not trusted with memory before it is there.
 */
static size_t
size_for(const TransferBody *body, size_t needed)
{
	size_t		size = Max(body->allocated * 2, FIRST_ALLOCATION);

	if (needed <= body->expected)
		size = Min(size, body->expected);
	return Min(Max(size, needed), body->limit);
}

/* Take memory from what there is for all. */
static bool
take_memory(TransferBody *body, size_t bytes)
{
	body->no_room = !pgnet_body_budget_take(body->budget, &body->receiver,
											bytes);
	return !body->no_room;
}
