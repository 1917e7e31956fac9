/*
 * transfer_body.h -- the body of an answer, while it arrives.
 *
 * Runs in: workers.  Nothing here throws; memory is from malloc(), which can
 * grow without throwing.
 */
#ifndef PGNET_TRANSFER_BODY_H
#define PGNET_TRANSFER_BODY_H

#include "postgres.h"

#include "http/body_budget.h"

typedef struct TransferBody
{
	struct varlena *datum;		/* its header is not set; NULL: empty */
	char	   *bytes;			/* its data, or NULL */
	size_t		length;
	size_t		allocated;
	size_t		expected;		/* as the server says; 0: it does not */
	size_t		limit;
	size_t		kept;			/* what is beyond that is dropped */
	size_t		dropped;
	BodyBudget *budget;
	BodyReceiver receiver;		/* what it takes of it, with what follows */
	size_t		reserved;		/* beside bytes: for headers, a decoder */
	bool		broken;			/* some of it could not be kept, because: */
	bool		too_large;		/* it is over the limit */
	bool		no_room;		/* or there was no room in memory */
	bool		cut;			/* no more of it is wanted: it is whole */
} TransferBody;

/* How much more memory will so many bytes take? */
extern size_t pgnet_body_growth(const TransferBody *body, size_t length);

/*
 * Append; false when it is over a limit, memory is out, or no more is wanted,
 * then and later.
 */
extern bool pgnet_body_append(TransferBody *body, const char *bytes,
							  size_t length);

/* Count memory that is used beside the bytes, likewise; or no more. */
extern bool pgnet_body_reserve(TransferBody *body, size_t bytes);
extern void pgnet_body_release(TransferBody *body, size_t bytes);

extern void pgnet_body_free(TransferBody *body);

#endif							/* PGNET_TRANSFER_BODY_H */
