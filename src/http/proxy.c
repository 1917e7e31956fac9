/*
 * proxy.c -- the proxy that settings name, and who goes past it.
 *
 * Runs in: workers.
 *
 * Both settings are read as libcurl reads them.  What is wrong with that of the
 * proxy is said without the setting, which may have a password.
 */
#include "postgres.h"

#include <arpa/inet.h>
#include <curl/curl.h>

#include "http/basic_auth.h"
#include "http/proxy.h"
#include "words.h"

/* The ports of those that have none. */
#define HTTP_PORT 1080
#define HTTPS_PORT 443

/* What parts the hosts of no_proxy. */
#define SEPARATORS ", \t"

/* Room for an address in brackets, and the length of a network. */
#define MAX_NETWORK (INET6_ADDRSTRLEN + sizeof("[]/128"))

/* A host that is an address, or else a name. */
typedef struct Host
{
	const char *name;
	size_t		length;			/* without a dot at its end */
	int			family;			/* AF_INET, AF_INET6 or 0 */
	uint8		address[sizeof(struct in6_addr)];
} Host;

static void forget(ProxySetting *setting);
static bool read_url(ProxySetting *setting, const char *url);
static CURLUcode read_parts(CURLU *handle, Proxy *proxy);
static CURLUcode read_scheme(CURLU *handle, Proxy *proxy);
static CURLUcode read_host(CURLU *handle, Proxy *proxy);
static char *join_zone(const char *host, const char *zone);
static CURLUcode read_port(CURLU *handle, Proxy *proxy);
static void complain(HttpError *error, CURLUcode code, const char *url);
static Host find_family(const char *host);
static bool names(const Host *host, const char *entry, size_t length);
static bool name_is_within(const Host *host, const char *entry, size_t length);
static bool address_is_within(const Host *host, const char *entry,
							  size_t length);
static bool read_network(char *text, int family, uint8 *network, int *bits);
static bool same_bits(const uint8 *one, const uint8 *other, int bits);

/* Settings change seldom, and are asked for with each request. */
const Proxy *
pgnet_proxy_read(ProxySetting *setting, const char *url)
{
	if (setting->given == NULL || strcmp(setting->given, url) != 0)
	{
		forget(setting);
		if (!read_url(setting, url))
			return NULL;
	}
	return setting->error.problem == PGNET_NO_PROBLEM ? &setting->proxy : NULL;
}

/* There is none. */
static void
forget(ProxySetting *setting)
{
	free(setting->given);
	free(unconstify(char *, setting->proxy.host));
	free(unconstify(char *, setting->proxy.credentials));
	*setting = (ProxySetting) {0};
}

/* Read the parts of one; false when memory was short, to do it again. */
static bool
read_url(ProxySetting *setting, const char *url)
{
	CURLU	   *handle = curl_url();
	CURLUcode	code = CURLUE_OUT_OF_MEMORY;

	if (handle != NULL)
		code = curl_url_set(handle, CURLUPART_URL, url,
							CURLU_NON_SUPPORT_SCHEME | CURLU_GUESS_SCHEME);
	if (code == CURLUE_OK)
		code = read_parts(handle, &setting->proxy);
	curl_url_cleanup(handle);
	if (code != CURLUE_OUT_OF_MEMORY)
		setting->given = strdup(url);
	if (setting->given == NULL)
	{
		forget(setting);
		code = CURLUE_OUT_OF_MEMORY;
	}
	if (code != CURLUE_OK)
		complain(&setting->error, code, url);
	return code != CURLUE_OUT_OF_MEMORY;
}

static CURLUcode
read_parts(CURLU *handle, Proxy *proxy)
{
	CURLUcode	code = read_scheme(handle, proxy);
	char	   *credentials = NULL;

	if (code == CURLUE_OK)
		code = read_host(handle, proxy);
	if (code == CURLUE_OK)
		code = read_port(handle, proxy);
	if (code == CURLUE_OK)
		code = pgnet_basic_auth(handle, &credentials);
	proxy->credentials = credentials;
	return code;
}

/* One without a scheme is of http, as CURLU_GUESS_SCHEME has it. */
static CURLUcode
read_scheme(CURLU *handle, Proxy *proxy)
{
	char	   *scheme = NULL;
	CURLUcode	code = curl_url_get(handle, CURLUPART_SCHEME, &scheme, 0);

	if (code == CURLUE_OK)
	{
		proxy->https = strcmp(scheme, "https") == 0;
		if (!proxy->https && strcmp(scheme, "http") != 0)
			code = CURLUE_UNSUPPORTED_SCHEME;
	}
	curl_free(scheme);
	return code;
}

static CURLUcode
read_host(CURLU *handle, Proxy *proxy)
{
	char	   *host = NULL;
	char	   *zone = NULL;
	CURLUcode	code = curl_url_get(handle, CURLUPART_HOST, &host,
									CURLU_PUNYCODE);

	/* so libcurl up to 7.88 says that it cannot be written in ASCII */
	if (code == CURLUE_OUT_OF_MEMORY)
		code = CURLUE_BAD_HOSTNAME;
	if (code == CURLUE_OK)
		code = curl_url_get(handle, CURLUPART_ZONEID, &zone, 0);
	if (code == CURLUE_NO_ZONEID)
		code = CURLUE_OK;
	if (code == CURLUE_OK)
	{
		proxy->host = join_zone(host, zone);
		if (proxy->host == NULL)
			code = CURLUE_OUT_OF_MEMORY;
	}
	curl_free(host);
	curl_free(zone);
	return code;
}

/* The host without brackets, and its zone, if it has one. */
static char *
join_zone(const char *host, const char *zone)
{
	size_t		length = strlen(host);
	size_t		size = length + (zone ? strlen(zone) : 0) + sizeof("%");
	char	   *joined = malloc(size);

	if (*host == '[')
	{
		host++;
		length -= 2;
	}
	if (joined != NULL)
		snprintf(joined, size, "%.*s%s%s", (int) length, host, zone ? "%" : "",
				 zone ? zone : "");
	return joined;
}

/* Its port, or else libcurl's for proxies. */
static CURLUcode
read_port(CURLU *handle, Proxy *proxy)
{
	char	   *port = NULL;
	CURLUcode	code = curl_url_get(handle, CURLUPART_PORT, &port, 0);

	if (code == CURLUE_OK)
		proxy->port = (int) strtol(port, NULL, 10);
	else if (code == CURLUE_NO_PORT)
		proxy->port = proxy->https ? HTTPS_PORT : HTTP_PORT;
	curl_free(port);
	return code == CURLUE_NO_PORT ? CURLUE_OK : code;
}

/* Say what is wrong. */
static void
complain(HttpError *error, CURLUcode code, const char *url)
{
	if (code == CURLUE_OUT_OF_MEMORY)
		pgnet_error_set(error, PGNET_PROBLEM_MEMORY, "%s", "");
	else if (code == CURLUE_UNSUPPORTED_SCHEME)
		pgnet_error_set(error, PGNET_PROBLEM_PROXY,
						"Unsupported proxy scheme in pg_net.proxy");
	else
		pgnet_error_set(error, PGNET_PROBLEM_RESOLVE_PROXY,
						"Unsupported proxy syntax in pg_net.proxy: %s",
						pgnet_words_of_url(code, url));
}

/* Look at one entry after the other. */
bool
pgnet_no_proxy_has(const char *no_proxy, const char *host)
{
	Host		looked_for;

	if (*no_proxy == '\0')
		return false;
	looked_for = find_family(host);
	while (*no_proxy != '\0')
	{
		size_t		length = strcspn(no_proxy, SEPARATORS);

		if (length > 0 && names(&looked_for, no_proxy, length))
			return true;
		no_proxy += length;
		no_proxy += strspn(no_proxy, SEPARATORS);
	}
	return false;
}

/* Is a host an address? */
static Host
find_family(const char *host)
{
	Host		found = {.name = host, .length = strlen(host)};

	if (inet_pton(AF_INET, host, found.address) == 1)
		found.family = AF_INET;
	else if (inet_pton(AF_INET6, host, found.address) == 1)
		found.family = AF_INET6;
	else if (found.length > 0 && host[found.length - 1] == '.')
		found.length--;
	return found;
}

/* Does an entry name a host? */
static bool
names(const Host *host, const char *entry, size_t length)
{
	if (length == 1 && *entry == '*')
		return true;
	return host->family == 0 ? name_is_within(host, entry, length) :
							   address_is_within(host, entry, length);
}

/* Is it the same name, or one below it?  Dots around that do not matter. */
static bool
name_is_within(const Host *host, const char *entry, size_t length)
{
	const char *end;

	if (entry[length - 1] == '.')
		length--;
	if (length > 0 && *entry == '.')
	{
		entry++;
		length--;
	}
	if (length == 0 || length > host->length)
		return false;
	end = host->name + host->length - length;
	return pg_strncasecmp(end, entry, length) == 0 &&
		(end == host->name || end[-1] == '.');
}

/* Is it the same address, or one of the network? */
static bool
address_is_within(const Host *host, const char *entry, size_t length)
{
	char		text[MAX_NETWORK];
	uint8		network[sizeof(struct in6_addr)];
	int			bits;

	if (length >= sizeof(text))
		return false;
	memcpy(text, entry, length);
	text[length] = '\0';
	return read_network(text, host->family, network, &bits) &&
		same_bits(host->address, network, bits);
}

/* Read "address" or "address/bits", where brackets may be; text is changed. */
static bool
read_network(char *text, int family, uint8 *network, int *bits)
{
	int			most = family == AF_INET ? 32 : 128;
	char	   *slash = strchr(text, '/');
	size_t		length;

	*bits = most;
	if (slash != NULL)
	{
		*slash++ = '\0';
		length = strspn(slash, "0123456789");
		if (length == 0 || length > strlen("128") || slash[length] != '\0')
			return false;
		*bits = (int) strtol(slash, NULL, 10);
	}
	length = strlen(text);
	if (length > 2 && *text == '[' && text[length - 1] == ']')
	{
		text[length - 1] = '\0';
		text++;
	}
	return *bits <= most && inet_pton(family, text, network) == 1;
}

/* Do two addresses begin in the same way? */
static bool
same_bits(const uint8 *one, const uint8 *other, int bits)
{
	int			bytes = bits / 8;
	int			rest = bits % 8;

	if (memcmp(one, other, bytes) != 0)
		return false;
	return rest == 0 || (one[bytes] ^ other[bytes]) >> (8 - rest) == 0;
}
