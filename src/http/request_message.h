/*
 * request_message.h -- one step of a request, as a message.
 *
 * Runs in: workers.  Nothing here throws.
 */
#ifndef PGNET_REQUEST_MESSAGE_H
#define PGNET_REQUEST_MESSAGE_H

#include "postgres.h"

#include "http/defaults.h"
#include "http/message.h"
#include "http/redirect.h"
#include "http/route.h"

/*
 * Write the message of a hop on its route; what it points to is the request's,
 * or in its memory.  False when there is no memory.
 */
extern bool pgnet_request_message(Message *message, const HttpRequest *request,
								  const Hop *hop, const Route *route,
								  const HttpDefaults *defaults);

/* Free what a message has in the request's memory. */
extern void pgnet_request_message_free(Message *message);

#endif							/* PGNET_REQUEST_MESSAGE_H */
