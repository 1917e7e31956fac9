/*
 * destination.c -- where one transfer's connections may go.
 *
 * Runs in: workers.
 *
 * What a name resolved to a moment ago does not matter: libcurl shows each
 * address it is about to connect to, of the first host and of those it is
 * redirected to.  A connection that is used again was opened under the setting
 * of that time, so its address is looked at before each request, too.  Through
 * a proxy the address is the proxy's, and with connect_to that of a gateway: so
 * an address in the URL is looked at as well.
 */
#include "postgres.h"

#include <curl/curl.h>

#include "http/destination.h"
#include "policy/access_rules.h"

static bool url_is_allowed(Destination *destination);
static bool is_denied(const Destination *destination, const char *url);
static bool leads_to_same(const char *one, const char *other);

/* Open a socket for an address that is not denied. */
curl_socket_t
pgnet_destination_open_socket(Destination *destination, curlsocktype purpose,
							  struct curl_sockaddr *address)
{
	if (!url_is_allowed(destination))
		return CURL_SOCKET_BAD;
	if (!destination->to_unix_socket &&
		pgnet_networks_contain(destination->denied_networks, &address->addr))
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
	destination->denied = !destination->to_unix_socket &&
		pgnet_networks_contain_text(destination->denied_networks, remote_ip);
	return !destination->denied && url_is_allowed(destination);
}

/* Say why not. */
const char *
pgnet_destination_problem(const Destination *destination)
{
	if (destination->against_rules)
		return "could not follow a redirect: net.access_rule does not allow its target for this role";
	if (destination->not_for_secret)
		return "could not follow a redirect: the request has a secret that must not be sent to another origin";
	if (destination->denied)
		return "could not connect: pg_net.denied_networks denies an address of the host";
	return NULL;
}

/*
 * May the request go to the URL, as it is now?  Rules and secrets were asked
 * about the first one before, with the header Host, so one that they refuse
 * here is the target of a redirect.
 */
static bool
url_is_allowed(Destination *destination)
{
	const HttpRequest *request = destination->request;
	CURL	   *easy = destination->watch->easy;
	char	   *url = NULL;
	char	   *method = NULL;
	bool		denied;

	if (request->access_rules == NULL && !request->carries_secret &&
		!destination->by_detour)
		return true;
	(void) curl_easy_getinfo(easy, CURLINFO_EFFECTIVE_URL, &url);
	(void) curl_easy_getinfo(easy, CURLINFO_EFFECTIVE_METHOD, &method);
	if (request->access_rules != NULL)
		destination->against_rules = url == NULL || method == NULL ||
			!pgnet_access_allows_url(request->access_rules, method, url);
	if (request->carries_secret)
		destination->not_for_secret = url == NULL ||
			!leads_to_same(pgnet_request_target(request), url);
	denied = destination->by_detour &&
		(url == NULL || is_denied(destination, url));
	destination->denied |= denied;
	return !destination->against_rules && !destination->not_for_secret &&
		!denied;
}

/*
 * Is the host of a URL an address that is denied?  Digits of other alphabets
 * are as good as those of ASCII, to which libcurl turns them (RFC 5895).
 */
static bool
is_denied(const Destination *destination, const char *url)
{
	UrlTarget	target;
	CURLU	   *parsed;
	char	   *host = NULL;
	bool		denied;

	if (pgnet_url_target(url, &target))
		return pgnet_networks_contain_host(destination->denied_networks,
										   target.host);
	parsed = curl_url();
	denied = parsed == NULL ||
		(curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK &&
		 curl_url_get(parsed, CURLUPART_HOST, &host, CURLU_PUNYCODE) ==
			 CURLUE_OK &&
		 pgnet_networks_contain_host(destination->denied_networks, host));
	curl_free(host);
	curl_url_cleanup(parsed);
	return denied;
}

/* Have two URLs scheme, host and port in common? */
static bool
leads_to_same(const char *one, const char *other)
{
	UrlTarget	first;
	UrlTarget	second;

	return pgnet_url_target(one, &first) && pgnet_url_target(other, &second) &&
		first.port == second.port && strcmp(first.host, second.host) == 0 &&
		strcmp(first.scheme, second.scheme) == 0;
}
