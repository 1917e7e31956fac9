/*
 * signing.h -- signatures of requests, as header fields.
 *
 * Runs in: workers.
 */
#ifndef PGNET_SIGNING_H
#define PGNET_SIGNING_H

#include "postgres.h"

#include "exchange.h"

/* How a request is signed: as receivers of one kind expect it. */
typedef enum SigningScheme
{
	PGNET_SIGNING_STANDARD,		/* Standard Webhooks 1.0.0 */
	PGNET_SIGNING_GITHUB,		/* X-Hub-Signature-256 */
	PGNET_SIGNING_STRIPE		/* Stripe-Signature */
} SigningScheme;

/* What is signed. */
typedef struct SignedMessage
{
	const char *id;				/* message id, without a dot */
	int64		seconds;		/* when it is signed, since 1970 */
	const char *body;			/* exact bytes; NULL with body_len 0: none */
	size_t		body_len;
} SignedMessage;

/* No scheme has more header fields. */
#define PGNET_SIGNING_MAX_FIELDS 3

/* The scheme called standard, github or stripe; false: there is none. */
extern bool pgnet_signing_scheme(const char *name, SigningScheme *scheme);

/*
 * Sign a message with each of the secrets, names and values, the current one
 * first; there is at least one.  Returns how many fields that makes, with
 * values in CurrentMemoryContext.  -1 when the value of a secret is no key:
 * *problem says which one, palloc'd, and nothing of the value.
 */
extern int	pgnet_signing_sign(SigningScheme scheme, const Field *secrets,
							   int nsecrets, const SignedMessage *message,
							   Field fields[PGNET_SIGNING_MAX_FIELDS],
							   char **problem);

#endif							/* PGNET_SIGNING_H */
