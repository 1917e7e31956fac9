/*
 * ip_address.h -- addresses of IP, and the hosts that need no lookup.
 *
 * Runs in: workers.  Nothing here throws.
 */
#ifndef PGNET_IP_ADDRESS_H
#define PGNET_IP_ADDRESS_H

#include "postgres.h"

#include "exchange.h"
#include "http/resolver.h"

/* A host that is known has no more than one of each family. */
#define PGNET_KNOWN_ADDRESSES 2

/*
 * The addresses of a host that is an address itself, this machine by the name
 * of localhost, or one that never is, below "invalid"; how many.
 * PGNET_IP_NAME: it is a name to be looked up.
 */
#define PGNET_IP_NAME (-1)
extern int	pgnet_ip_known(const char *host, IpVersion ip_version,
						   IpAddress addresses[PGNET_KNOWN_ADDRESSES]);

/* Is there a way to an address from here, as far as this machine can tell? */
extern bool pgnet_ip_has_route(const IpAddress *address);

#endif							/* PGNET_IP_ADDRESS_H */
