/*
 * message_headers.h -- header fields that say which message a request is.
 *
 * Runs in: workers, inside a transaction.
 */
#ifndef PGNET_MESSAGE_HEADERS_H
#define PGNET_MESSAGE_HEADERS_H

#include "postgres.h"

#include "job.h"
#include "policy/signing.h"

/*
 * Add Idempotency-Key to a request, loaded, that is sent again by a schedule
 * though its method may do something each time, unless it has one.
 */
extern void pgnet_message_headers_add_key(Job *job);

/*
 * Sign a request, with secrets as in policy/signing.h; the fields replace those
 * of the same name.  What is wrong with a secret, palloc'd, or NULL.
 */
extern char *pgnet_message_headers_sign(Job *job, SigningScheme scheme,
										const Field *secrets, int nsecrets);

#endif							/* PGNET_MESSAGE_HEADERS_H */
