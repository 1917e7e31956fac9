/*
 * route.h -- which way one step of a request goes.
 *
 * Runs in: workers.  Nothing here throws.
 */
#ifndef PGNET_ROUTE_H
#define PGNET_ROUTE_H

#include "postgres.h"

#include "http/setup.h"

/*
 * Set the address family, and where to connect: as the endpoint says, or else
 * the settings, which may want a proxy.  False when an option was refused.
 */
extern bool pgnet_route_set(Setup *setup, const HttpRequest *request,
							const HttpDefaults *defaults);

#endif							/* PGNET_ROUTE_H */
