/*
 * route.h -- which way one step of a request goes.
 *
 * Runs in: workers.  Nothing here throws; what a route points to is its
 * request's, in its memory, or its URL's: settings may change meanwhile.
 */
#ifndef PGNET_ROUTE_H
#define PGNET_ROUTE_H

#include "postgres.h"

#include "exchange.h"
#include "http/defaults.h"
#include "http/proxy.h"
#include "http/tls.h"
#include "http/web_url.h"

typedef struct Route
{
	const WebUrl *url;
	const char *connect_host;	/* whom to look up and connect to */
	int			connect_port;
	const char *socket_path;	/* in place of both; NULL: none */
	const Proxy *proxy;			/* the two are its; NULL: none */
	bool		tunnel;			/* through the proxy, by CONNECT */
	bool		by_detour;		/* who is connected to says where it leads */
	IpVersion	ip_version;
	TlsSettings tls;			/* with the host, if the URL is https */
	TlsSettings proxy_tls;		/* with the proxy, if that is */
	bool		is_private;		/* for this role alone */

	/*
	 * Who has the same key may share a connection: scheme, host, port, all of
	 * the above, and the role where HTTP/2, a client's certificate or a
	 * proxy's credentials are part of it.
	 */
	char	   *key;			/* in the request's memory */
	size_t		key_length;
} Route;

/*
 * Find the route to url: as the endpoint of the request says, or else the
 * settings.  role: who asked.  version: the
 * newest that may be spoken.  False, with *error, when there is none.  Reads
 * defaults->proxy anew into *setting when it has changed.
 */
extern bool pgnet_route_find(Route *route, const HttpRequest *request, Oid role,
							 const WebUrl *url, HttpVersion version,
							 const HttpDefaults *defaults, TlsStore *tls,
							 ProxySetting *setting, HttpError *error);

/* Free what a route has in its request's memory; its URL is still there. */
extern void pgnet_route_free(Route *route);

#endif							/* PGNET_ROUTE_H */
