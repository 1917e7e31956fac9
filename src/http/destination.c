/*
 * destination.c -- where one transfer's connections may go.
 *
 * Runs in: workers.
 *
 * What a name resolved to a moment ago does not matter: each address is looked
 * at when it is about to be connected to, of the first host and of those that
 * it redirects to.  A connection that is used again was opened under the
 * setting of that time, so its address is looked at before each request, too.
 * Through a proxy the address is the proxy's: so an address in the URL is
 * looked at as well.
 */
#include "postgres.h"

#include "http/destination.h"
#include "http/web_url.h"
#include "policy/access_rules.h"

static bool is_denied(const Destination *destination, const char *url);
static bool leads_to_same(const char *one, const char *other);

/*
 * Rules and secrets were asked about the first URL before, with the header
 * Host, so one that they refuse here is the target of a redirect.
 */
bool
pgnet_destination_allows_url(Destination *destination, const char *method,
							 const char *url, bool by_detour)
{
	const HttpRequest *request = destination->request;

	destination->against_rules = request->access_rules != NULL &&
		!pgnet_access_allows_url(request->access_rules, method, url);
	destination->not_for_secret = request->carries_secret &&
		!leads_to_same(pgnet_request_target(request), url);
	destination->denied = by_detour && is_denied(destination, url);
	return pgnet_destination_problem(destination) == NULL;
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
 * Is the host of a URL an address that is denied?  Digits of other alphabets
 * are as good as those of ASCII, to which libcurl turns them (RFC 5895).
 */
static bool
is_denied(const Destination *destination, const char *url)
{
	HttpError	error = {0};
	UrlTarget	target;
	WebUrl	   *parsed;
	bool		denied;

	if (pgnet_url_target(url, &target))
		return pgnet_networks_contain_host(destination->denied_networks,
										   target.host);
	parsed = pgnet_web_url_find(NULL, url, true, &error);
	denied = parsed == NULL ||
		pgnet_networks_contain_host(destination->denied_networks, parsed->host);
	pgnet_web_url_end(parsed);
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
