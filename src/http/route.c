/*
 * route.c -- which way one step of a request goes, and as whom.
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include <curl/curl.h>

#include "http/route.h"
#include "http/trust.h"
#include "url_target.h"

/* A host and a port, with brackets and colons. */
#define MAX_CONNECT_TO 300

static bool set_proxy(Setup *setup, const HttpDefaults *defaults);
static bool set_destination(Setup *setup, const char *url,
							const HttpDefaults *defaults);
static bool set_connect_to(Setup *setup, const char *where);
static bool set_client_certificate(Setup *setup, const Route *route);
static void take_route(Setup *setup, const Route *route);

#define SET(option, value) PGNET_SETUP(setup, option, value)

/* Set what is for all destinations, then what is for this one. */
bool
pgnet_route_set(Setup *setup, const char *url, const HttpDefaults *defaults)
{
	static const long resolve[] = {
		[PGNET_IP_ANY] = CURL_IPRESOLVE_WHATEVER,
		[PGNET_IP_V4] = CURL_IPRESOLVE_V4,
		[PGNET_IP_V6] = CURL_IPRESOLVE_V6
	};

	if (!set_proxy(setup, defaults))
		return false;
	if (defaults->ip_version != PGNET_IP_ANY &&
		!SET(CURLOPT_IPRESOLVE, resolve[defaults->ip_version]))
		return false;
	return set_destination(setup, url, defaults);
}

/* The proxy, or none whatever the environment says. */
static bool
set_proxy(Setup *setup, const HttpDefaults *defaults)
{
	if (!SET(CURLOPT_PROXY, defaults->proxy) ||
		!SET(CURLOPT_NOPROXY, defaults->no_proxy))
		return false;
	if (defaults->proxy[0] == '\0')
		return true;
	setup->by_detour = true;
	/* its answers are not those to the request, nor its headers */
	return SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L) &&
		SET(CURLOPT_HEADEROPT, (long) CURLHEADER_SEPARATE) &&
		pgnet_trust_set_proxy(setup, defaults);
}

/* What lists have for this destination. */
static bool
set_destination(Setup *setup, const char *url, const HttpDefaults *defaults)
{
	UrlTarget	target;
	const Route *route;

	if (defaults->connect_to->count == 0 &&
		defaults->unix_sockets->count == 0 &&
		defaults->client_certificates->count == 0)
		return true;
	/* what has no target is refused by libcurl, too */
	if (!pgnet_url_target(url, &target))
		return true;

	route = pgnet_routes_find(defaults->connect_to, &target);
	take_route(setup, route);
	if (route != NULL && !set_connect_to(setup, route->values[0]))
		return false;
	route = pgnet_routes_find(defaults->unix_sockets, &target);
	take_route(setup, route);
	setup->to_unix_socket = route != NULL;
	if (route != NULL && !SET(CURLOPT_UNIX_SOCKET_PATH, route->values[0]))
		return false;
	route = pgnet_routes_find(defaults->client_certificates, &target);
	return route == NULL || strcmp(target.scheme, "https") != 0 ||
		set_client_certificate(setup, route);
}

/* Whoever routes this one host knows where it leads. */
static void
take_route(Setup *setup, const Route *route)
{
	if (route != NULL)
		setup->by_detour = *route->host == '*';
}

/* Another host, and perhaps another port, in place of that of the URL. */
static bool
set_connect_to(Setup *setup, const char *where)
{
	char		line[MAX_CONNECT_TO];
	const char *colon = strrchr(where, ':');
	bool		has_port = colon != NULL && strchr(colon, ']') == NULL;

	snprintf(line, sizeof(line), "::%s%s", where, has_port ? "" : ":");
	setup->connect_to = curl_slist_append(NULL, line);
	if (setup->connect_to == NULL)
		return pgnet_setup_taken(setup, CURLE_OUT_OF_MEMORY,
								 "CURLOPT_CONNECT_TO");
	return SET(CURLOPT_CONNECT_TO, setup->connect_to);
}

/* Who we are; the key may be in the file of the certificate. */
static bool
set_client_certificate(Setup *setup, const Route *route)
{
	const char *key = route->values[1] ? route->values[1] : route->values[0];

	return SET(CURLOPT_SSLCERT, route->values[0]) && SET(CURLOPT_SSLKEY, key);
}
