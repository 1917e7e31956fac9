/*
 * route.c -- which way one step of a request goes.
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include <curl/curl.h>

#include "http/route.h"
#include "http/trust.h"

/* A host and a port, with brackets and colons. */
#define MAX_CONNECT_TO 300

static bool set_proxy(Setup *setup, const HttpDefaults *defaults);
static bool set_connect_to(Setup *setup, const char *where);
static bool set_other_host(Setup *setup, const char *where);

#define SET(option, value) PGNET_SETUP(setup, option, value)

bool
pgnet_route_set(Setup *setup, const HttpRequest *request,
				const HttpDefaults *defaults)
{
	static const long resolve[] = {
		[PGNET_IP_ANY] = CURL_IPRESOLVE_WHATEVER,
		[PGNET_IP_V4] = CURL_IPRESOLVE_V4,
		[PGNET_IP_V6] = CURL_IPRESOLVE_V6
	};
	const HttpEndpoint *endpoint = request->endpoint;

	if (defaults->ip_version != PGNET_IP_ANY &&
		!SET(CURLOPT_IPRESOLVE, resolve[defaults->ip_version]))
		return false;
	if (endpoint != NULL && endpoint->connect_to != NULL)
		return set_connect_to(setup, endpoint->connect_to);
	return set_proxy(setup, defaults);
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
	setup->by_detour = setup->by_proxy = true;
	/* its answers are not those to the request, nor its headers */
	return SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L) &&
		SET(CURLOPT_HEADEROPT, (long) CURLHEADER_SEPARATE) &&
		pgnet_trust_set_proxy(setup, defaults);
}

/* Whoever says where else to connect for one URL knows where that leads. */
static bool
set_connect_to(Setup *setup, const char *where)
{
	size_t		length = strlen(PGNET_UNIX_SOCKET);

	if (!SET(CURLOPT_PROXY, ""))
		return false;
	setup->to_unix_socket = strncmp(where, PGNET_UNIX_SOCKET, length) == 0;
	if (setup->to_unix_socket)
		return SET(CURLOPT_UNIX_SOCKET_PATH, where + length);
	return set_other_host(setup, where);
}

/* Another host, and perhaps another port, in place of that of the URL. */
static bool
set_other_host(Setup *setup, const char *where)
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
