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

/* What is asked of each connection; all but denied is set by the transfer. */
typedef struct Destination
{
	const Networks *denied_networks;
	ShortageWatch *watch;		/* opens the sockets that are allowed */
	bool		denied;			/* an address was, since the last request */
} Destination;

/* For CURLOPT_OPENSOCKETFUNCTION: each address, before it is connected to. */
extern curl_socket_t
pgnet_destination_open_socket(void *destination, curlsocktype purpose,
							  struct curl_sockaddr *address);

/*
 * May a request go over a connection that is open?  The address is text, from
 * CURLOPT_PREREQFUNCTION.
 */
extern bool pgnet_destination_allows(Destination *destination,
									 const char *remote_ip);

#endif							/* PGNET_DESTINATION_H */
