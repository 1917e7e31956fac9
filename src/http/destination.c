/*
 * destination.c -- where one transfer's connections may go.
 *
 * Runs in: workers.
 *
 * What a URL says does not matter, and neither does what a name resolved to
 * a moment ago: libcurl shows each address it is about to connect to, of the
 * first host and of those it is redirected to.  A connection that is used
 * again was opened under the setting of that time, so its address is looked
 * at before each request, too.
 */
#include "postgres.h"

#include <curl/curl.h>

#include "http/destination.h"

/* Open a socket for an address that is not denied. */
curl_socket_t
pgnet_destination_open_socket(void *arg, curlsocktype purpose,
							  struct curl_sockaddr *address)
{
	Destination *destination = arg;

	if (pgnet_networks_contain(destination->denied_networks, &address->addr))
	{
		destination->denied = true;
		return CURL_SOCKET_BAD;
	}
	return pgnet_shortage_open_socket(destination->watch, purpose, address);
}

/* Judge the other end of a connection. */
bool
pgnet_destination_allows(Destination *destination, const char *remote_ip)
{
	destination->denied =
		pgnet_networks_contain_text(destination->denied_networks, remote_ip);
	return !destination->denied;
}
