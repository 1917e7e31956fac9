/*
 * destination.h -- where one transfer's connections may go.
 *
 * Runs in: workers.  Nothing here throws.
 */
#ifndef PGNET_DESTINATION_H
#define PGNET_DESTINATION_H

#include "postgres.h"

#include <curl/curl.h>

#include "http/shortage.h"
#include "policy/networks.h"

/* What is asked of each connection; the first five are the transfer's. */
typedef struct Destination
{
	const HttpRequest *request;
	const Networks *denied_networks;
	ShortageWatch *watch;		/* opens the sockets that are allowed */

	bool		to_unix_socket; /* which is no address in any network */
	bool		by_detour;		/* the address is that of a proxy or gateway */
	bool		denied;			/* an address was, since the last request */
	bool		against_rules;	/* the URL, after a redirect */
	bool		not_for_secret; /* likewise */
} Destination;

/* For CURLOPT_OPENSOCKETFUNCTION: each address, before it is connected to. */
extern curl_socket_t
pgnet_destination_open_socket(Destination *destination, curlsocktype purpose,
							  struct curl_sockaddr *address);

/*
 * May a request go over a connection that is open?  The address is text, from
 * CURLOPT_PREREQFUNCTION.  If not, pgnet_destination_problem() says why.
 */
extern bool pgnet_destination_allows(Destination *destination,
									 const char *remote_ip);

/* Why a connection was not allowed; NULL when none was refused. */
extern const char *pgnet_destination_problem(const Destination *destination);

#endif							/* PGNET_DESTINATION_H */
