/*
 * route.c -- which way one step of a request goes.
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include "allocate.h"
#include "http/route.h"

/* The highest port there is. */
#define MAX_PORT 65535

/* Where a connection leads at first. */
typedef enum Way
{
	WAY_DIRECT,
	WAY_SOCKET,
	WAY_PROXY,
	WAY_TUNNEL
} Way;

/* What a key begins with; texts with NULs follow.  It has no padding. */
typedef struct KeyHead
{
	uint64		tls;
	uint64		proxy_tls;
	Oid			role;			/* InvalidOid: any */
	uint16		port;
	uint16		connect_port;
	uint8		https;
	uint8		http2;
	uint8		ip_version;
	uint8		way;
	uint8		proxy_https;
	uint8		zeros[3];
} KeyHead;

StaticAssertDecl(sizeof(KeyHead) == 32, "a key must have no padding");

static void free_text(const char *text);
static bool connect_elsewhere(Route *route, const HttpRequest *request,
							  HttpError *error);
static const char *copy_host(MemoryContext context, const char *host,
							 size_t length);
static bool go_by_proxy(Route *route, const HttpRequest *request,
						const HttpDefaults *defaults, ProxySetting *setting,
						HttpError *error);
static const Proxy *copy_proxy(MemoryContext context, const Proxy *proxy);
static bool set_trust(Route *route, const HttpRequest *request,
					  const HttpDefaults *defaults);
static bool keep(const char **place, MemoryContext context, const char *text);
static Way	way_of(const Route *route);
static bool make_key(Route *route, MemoryContext context, Oid role,
					 TlsStore *tls);
static char *add(char *end, const char *text);

/* Whoever says where else to connect for one URL knows where that leads. */
bool
pgnet_route_find(Route *route, const HttpRequest *request, Oid role,
				 const WebUrl *url, HttpVersion version,
				 const HttpDefaults *defaults, TlsStore *tls,
				 ProxySetting *setting, HttpError *error)
{
	const HttpEndpoint *endpoint = request->endpoint;

	*route = (Route) {
		.url = url,
		.connect_host = url->lookup_host,
		.connect_port = url->port,
		.ip_version = defaults->ip_version
	};
	if (endpoint != NULL && endpoint->connect_to != NULL)
	{
		if (!connect_elsewhere(route, request, error))
			return false;
	}
	else if (*defaults->proxy != '\0' &&
			 !pgnet_no_proxy_has(defaults->no_proxy, url->host) &&
			 !go_by_proxy(route, request, defaults, setting, error))
		return false;
	route->tls.offers_http2 = url->https && version == PGNET_HTTP_2;
	if (set_trust(route, request, defaults) &&
		make_key(route, request->context, role, tls))
		return true;
	pgnet_error_set(error, PGNET_PROBLEM_MEMORY, "%s", "");
	return false;
}

/* Free it, however far it was found. */
void
pgnet_route_free(Route *route)
{
	if (route->url == NULL)
		return;
	/* its host goes with a proxy */
	if (route->proxy != NULL)
		pfree(unconstify(Proxy *, route->proxy));
	else if (route->connect_host != route->url->lookup_host)
		free_text(route->connect_host);
	/* those for the host are the same */
	free_text(route->proxy_tls.ca_file);
	free_text(route->proxy_tls.ca_directory);
	if (route->key != NULL)
		pfree(route->key);
	*route = (Route) {0};
}

/* Free a text that was copied; an empty one was not. */
static void
free_text(const char *text)
{
	if (text != NULL && *text != '\0')
		pfree(unconstify(char *, text));
}

/*
 * To another host, and perhaps another port, in place of that of the URL; or to
 * a Unix socket.
 */
static bool
connect_elsewhere(Route *route, const HttpRequest *request, HttpError *error)
{
	const char *where = request->endpoint->connect_to;
	size_t		length = strlen(PGNET_UNIX_SOCKET);
	const char *colon;

	if (strncmp(where, PGNET_UNIX_SOCKET, length) == 0)
	{
		route->socket_path = where + length;
		return true;
	}
	length = strlen(where);
	colon = strrchr(where, ':');
	if (colon != NULL && strchr(colon, ']') == NULL)
	{
		int			port = (int) strtol(colon + 1, NULL, 10);

		if (port < 0 || port > MAX_PORT)
		{
			pgnet_error_set(error, PGNET_PROBLEM_CONNECT,
							"connect_to has no valid port");
			return false;
		}
		if (colon[1] != '\0')
			route->connect_port = port;
		length = colon - where;
	}
	route->connect_host = copy_host(request->context, where, length);
	if (route->connect_host != NULL)
		return true;
	pgnet_error_set(error, PGNET_PROBLEM_MEMORY, "%s", "");
	return false;
}

/* A host without brackets, in small letters; NULL: no memory. */
static const char *
copy_host(MemoryContext context, const char *host, size_t length)
{
	char	   *copy = pgnet_allocate(context, length + 1);
	char	   *end = copy;

	if (copy == NULL)
		return NULL;
	for (size_t i = 0; i < length; i++)
		if (host[i] != '[' && host[i] != ']')
			*end++ = pg_ascii_tolower((unsigned char) host[i]);
	*end = '\0';
	return copy;
}

/* By the proxy of the settings, in a tunnel to a host that speaks TLS. */
static bool
go_by_proxy(Route *route, const HttpRequest *request,
			const HttpDefaults *defaults, ProxySetting *setting,
			HttpError *error)
{
	const Proxy *proxy = pgnet_proxy_read(setting, defaults->proxy);

	if (proxy == NULL)
	{
		*error = setting->error;
		return false;
	}
	route->proxy = copy_proxy(request->context, proxy);
	if (route->proxy == NULL)
	{
		pgnet_error_set(error, PGNET_PROBLEM_MEMORY, "%s", "");
		return false;
	}
	route->connect_host = route->proxy->host;
	route->connect_port = route->proxy->port;
	route->tunnel = route->url->https;
	route->by_detour = true;
	return true;
}

/* A proxy with its texts; NULL: no memory. */
static const Proxy *
copy_proxy(MemoryContext context, const Proxy *proxy)
{
	size_t		host_size = strlen(proxy->host) + 1;
	const char *credentials = proxy->credentials ? proxy->credentials : "";
	Proxy	   *copy = pgnet_allocate(context,
									  sizeof(Proxy) + host_size +
										  strlen(credentials) + 1);
	char	   *end;

	if (copy == NULL)
		return NULL;
	end = (char *) (copy + 1);
	*copy = *proxy;
	copy->host = memcpy(end, proxy->host, host_size);
	if (proxy->credentials != NULL)
		copy->credentials = strcpy(end + host_size, credentials);
	return copy;
}

/*
 * Whom to trust, and as whom: what an endpoint says of that is for its host
 * alone.  HTTP/2 is agreed on within TLS only.
 */
static bool
set_trust(Route *route, const HttpRequest *request,
		  const HttpDefaults *defaults)
{
	const HttpEndpoint *endpoint = request->endpoint;
	bool		offers_http2 = route->tls.offers_http2;
	TlsSettings settings = {.min_version = defaults->tls_min_version};

	if (!route->url->https && (route->proxy == NULL || !route->proxy->https))
		return true;
	if (!keep(&settings.ca_file, request->context, defaults->ca_file) ||
		!keep(&settings.ca_directory, request->context,
			  defaults->ca_directory))
		return false;
	route->tls = route->proxy_tls = settings;
	if (!route->url->https)
		return true;
	if (endpoint != NULL)
	{
		route->tls.ca_certificates = endpoint->ca_certificates;
		route->tls.client_certificate = endpoint->client_certificate;
	}
	route->tls.offers_http2 = offers_http2;
	return true;
}

/* Copy a text of the settings; false: no memory. */
static bool
keep(const char **place, MemoryContext context, const char *text)
{
	*place = *text == '\0' ? "" : pgnet_allocate_copy(context, text);
	return *place != NULL;
}

static Way
way_of(const Route *route)
{
	if (route->socket_path != NULL)
		return WAY_SOCKET;
	if (route->proxy == NULL)
		return WAY_DIRECT;
	return route->tunnel ? WAY_TUNNEL : WAY_PROXY;
}

/* Say who may share a connection; false: no memory. */
static bool
make_key(Route *route, MemoryContext context, Oid role, TlsStore *tls)
{
	const WebUrl *url = route->url;
	const Proxy *proxy = route->proxy;
	const char *to = route->socket_path ? route->socket_path :
										  route->connect_host;
	const char *credentials =
		proxy != NULL && proxy->credentials != NULL ? proxy->credentials : "";
	KeyHead		head = {
		.port = url->port,
		.connect_port = route->connect_port,
		.https = url->https,
		.http2 = route->tls.offers_http2,
		.ip_version = route->ip_version,
		.way = way_of(route),
		.proxy_https = proxy != NULL && proxy->https
	};
	char	   *end;

	if (head.https)
		head.tls = pgnet_tls_identity(tls, &route->tls);
	if (head.proxy_https)
		head.proxy_tls = pgnet_tls_identity(tls, &route->proxy_tls);
	route->is_private = route->tls.offers_http2 ||
		route->tls.client_certificate != NULL || *credentials != '\0';
	head.role = route->is_private ? role : InvalidOid;

	route->key = pgnet_allocate(context,
								sizeof(head) + strlen(url->lookup_host) +
									strlen(to) + strlen(credentials) + 3);
	if (route->key == NULL)
		return false;
	memcpy(route->key, &head, sizeof(head));
	end = add(route->key + sizeof(head), url->lookup_host);
	end = add(add(end, to), credentials);
	route->key_length = end - route->key;
	return true;
}

/* Write a text with its NUL; the place behind. */
static char *
add(char *end, const char *text)
{
	size_t		size = strlen(text) + 1;

	memcpy(end, text, size);
	return end + size;
}
