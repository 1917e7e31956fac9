/*
 * transfer_body.h -- the body of an answer, while it arrives.
 *
 * Runs in: workers.  Nothing here throws; memory is from malloc(), which can
 * grow without throwing.
 */
#ifndef PGNET_TRANSFER_BODY_H
#define PGNET_TRANSFER_BODY_H

#include "postgres.h"

/* What all bodies of an engine have together, until they are recorded. */
typedef struct BodyMemory
{
	size_t		allocated;
	size_t		highest;		/* that was, until somebody sets it to 0 */
	size_t		limit;
} BodyMemory;

typedef struct TransferBody
{
	char	   *bytes;
	size_t		length;
	size_t		allocated;
	size_t		expected;		/* as the server says; 0: it does not */
	size_t		limit;
	BodyMemory *memory;
	bool		broken;			/* some of it could not be kept, because: */
	bool		too_large;		/* it is over the limit */
	bool		no_room;		/* or there was no room in memory */
} TransferBody;

/* Append; false when it is over a limit or memory is out, then and later. */
extern bool pgnet_body_append(TransferBody *body, const char *bytes,
							  size_t length);

/* Count memory for what makes the body, likewise; others take it off. */
extern bool pgnet_body_reserve(TransferBody *body, size_t bytes);

extern void pgnet_body_free(TransferBody *body);

#endif							/* PGNET_TRANSFER_BODY_H */
