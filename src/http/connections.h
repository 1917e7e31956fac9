/*
 * connections.h -- which connection a request is about to go out on, and may
 * it?
 *
 * Runs in: workers.  Nothing here throws.
 *
 * A connection that has received anything while no request was outstanding,
 * data or its end, takes no other request (RFC 9112, sections 6.3 and 9.2):
 * what came would be taken for the response.  libcurl looks for the end only,
 * from 8.22 on not even that each time.  Nor does one with TLS take a request
 * for an http URL, as libcurl 8.9 to 8.22 have it where host and port agree.
 */
#ifndef PGNET_CONNECTIONS_H
#define PGNET_CONNECTIONS_H

#include "postgres.h"

#include <curl/curl.h>

#include "http/sockets.h"

/* As CURLOPT_PREREQFUNCTION shows it. */
typedef struct ConnectionEnds
{
	int			local_port;
	const char *remote_ip;
	int			remote_port;
	bool		tls;			/* it should have TLS, with host or proxy */
	bool		http2;			/* it should speak HTTP/2 if the server does */
} ConnectionEnds;

/* What a connection is to the request that is about to go out on it. */
typedef enum ConnectionUse
{
	PGNET_CONNECTION_NEW,		/* no request went out on it before */
	PGNET_CONNECTION_KEPT,		/* one did, and nothing came since its end */
	PGNET_CONNECTION_KEPT_PLAIN,	/* likewise, and all bytes are HTTP's */
	PGNET_CONNECTION_SHARED,	/* HTTP/2: others may be under way on it */
	PGNET_CONNECTION_SPOILT		/* not to be used */
} ConnectionUse;

/*
 * What is it?  Afterwards it counts as used.  *fd is its socket, or
 * CURL_SOCKET_BAD where that cannot be told: it is as good as new if opened,
 * that is, if the transfer of easy opened a socket itself, else spoilt.
 */
extern ConnectionUse pgnet_connection_take(Sockets *sockets, CURL *easy,
										   const ConnectionEnds *ends,
										   bool opened, curl_socket_t *fd);

#endif							/* PGNET_CONNECTIONS_H */
