/*
 * destination.h -- where one transfer's connections may go.
 *
 * Runs in: workers.  Nothing here throws.
 */
#ifndef PGNET_DESTINATION_H
#define PGNET_DESTINATION_H

#include "postgres.h"

#include "exchange.h"
#include "policy/networks.h"

/* What is asked of each step; the first two are the transfer's. */
typedef struct Destination
{
	const HttpRequest *request;
	const Networks *denied_networks;

	bool		denied;			/* an address was, of this step */
	bool		against_rules;	/* the URL, after a redirect */
	bool		not_for_secret; /* likewise */
} Destination;

/*
 * A step begins: may a request go to this URL, whoever is connected to?  Looks
 * at an address in the URL if it goes by_detour: through a proxy, whose address
 * says nothing.  If not, pgnet_destination_problem() says why.
 */
extern bool pgnet_destination_allows_url(Destination *destination,
										 const char *method, const char *url,
										 bool by_detour);

/* Why a connection was not allowed; NULL when none was refused. */
extern const char *pgnet_destination_problem(const Destination *destination);

#endif							/* PGNET_DESTINATION_H */
