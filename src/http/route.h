/*
 * route.h -- which way one step of a request goes, and as whom.
 *
 * Runs in: workers.  Nothing here throws.
 */
#ifndef PGNET_ROUTE_H
#define PGNET_ROUTE_H

#include "postgres.h"

#include "http/setup.h"

/*
 * Set the proxy, address family, other host, socket and certificate that the
 * administrator wants for a URL; false when an option was refused.
 */
extern bool pgnet_route_set(Setup *setup, const char *url,
							const HttpDefaults *defaults);

#endif							/* PGNET_ROUTE_H */
