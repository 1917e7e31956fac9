/*
 * endpoint_mask.h -- what is said of a request to an endpoint, without where
 * that is.
 *
 * Runs in: workers.  Nothing here throws.
 */
#ifndef PGNET_ENDPOINT_MASK_H
#define PGNET_ENDPOINT_MASK_H

#include "postgres.h"

#include "exchange.h"

/*
 * Write the name of an endpoint in place of its host, of every address, and of
 * whom a certificate names, into a message that has size bytes of room.
 */
extern void pgnet_endpoint_mask(const HttpEndpoint *endpoint, char *message,
								size_t size);

#endif							/* PGNET_ENDPOINT_MASK_H */
