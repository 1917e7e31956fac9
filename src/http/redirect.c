/*
 * redirect.c -- where a redirect leads, and what may go there.
 *
 * Runs in: workers.
 *
 * What a status asks for (RFC 9110, section 15.4):
 *
 *	status		method and body
 *	303			GET without a body; HEAD stays HEAD
 *	301, 302	as 303 after POST, else unchanged
 *	307, 308	unchanged
 *
 * Only http and https, and never from https to http.  To another origin
 * (scheme, host and port; RFC 9110, section 4.3.1) goes nothing that is a
 * secret of the first, not even on the way back.
 */
#include "postgres.h"

#include <ctype.h>
#include <curl/curl.h>

#include "allocate.h"
#include "http/credentials.h"
#include "http/method.h"
#include "http/redirect.h"
#include "words.h"

#define OUT_OF_MEMORY "out of memory"

/* What a scheme is made of (RFC 3986, section 3.1), and how much is shown. */
#define SCHEME_CHARACTERS \
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-."
#define MAX_SCHEME 64

/* A URL, and the parts of it that make its origin; from libcurl. */
typedef struct Target
{
	CURLU	   *handle;
	char	   *scheme;
	char	   *host;
	char	   *port;
} Target;

static const char *follow(Hop *hop, const HttpRequest *request,
						  const char *location, Target *from, Target *to);
static const char *foreign_scheme(const HttpRequest *request,
								  const char *location);
static const char *encode(const HttpRequest *request, const char *location);
static size_t authority_length(const char *location);
static CURLUcode read_target(Target *target, CURLUPart part, const char *url);
static void free_target(Target *target);
static bool same_origin(const Target *one, const Target *other);
static bool is_scheme(const Target *target, const char *scheme);
static CURLUcode inherit(Target *to, const Target *from, CURLUPart part);
static const char *take_url(Hop *hop, const HttpRequest *request, Target *to);
static bool drops_body(long status, const char *method);
static bool describes_body(const char *header_name);
static const char *message(const HttpRequest *request, const char *format,
						   const char *what);

/* The step the caller asked for. */
Hop
pgnet_hop_first(const HttpRequest *request)
{
	return (Hop) {
		.url = pgnet_request_target(request),
		.method = pgnet_method_canonical(request->method),
		.with_body = true,
		.with_secrets = true
	};
}

/* Host is the first origin's name, and credentials are its secrets. */
bool
pgnet_hop_sends(const Hop *hop, const HttpRequest *request,
				const char *header_name)
{
	if (hop->number == 0)
		return true;
	if (!hop->with_body && describes_body(header_name))
		return false;
	return hop->with_secrets ||
		(pg_strcasecmp(header_name, "Host") != 0 &&
		 !pgnet_credential_is(request, header_name));
}

/* RFC 9110, section 15.4: 300 and 304 are no such, 305 and 306 obsolete. */
bool
pgnet_redirect_is(long status)
{
	return status == 301 || status == 302 || status == 303 || status == 307 ||
		status == 308;
}

/* Take one step. */
const char *
pgnet_redirect_follow(Hop *hop, const HttpRequest *request, long status,
					  const char *location)
{
	Target		from = {0};
	Target		to = {0};
	const char *problem = follow(hop, request, location, &from, &to);

	free_target(&from);
	free_target(&to);
	if (problem != NULL)
		return problem;
	hop->number++;
	if (drops_body(status, hop->method))
	{
		hop->with_body = false;
		if (strcmp(hop->method, "HEAD") != 0)
			hop->method = "GET";
	}
	return NULL;
}

/* Find out where to, and whether that is allowed. */
static const char *
follow(Hop *hop, const HttpRequest *request, const char *location, Target *from,
	   Target *to)
{
	CURLUcode	code = CURLUE_OUT_OF_MEMORY;
	const char *problem = foreign_scheme(request, location);

	if (problem != NULL)
		return problem;
	location = encode(request, location);
	from->handle = curl_url();
	if (from->handle != NULL)
		code = read_target(from, CURLUPART_URL, hop->url);
	if (code == CURLUE_OK)
	{
		/* a location may be relative to where we are */
		to->handle = curl_url_dup(from->handle);
		code = CURLUE_OUT_OF_MEMORY;
	}
	/* of a fragment alone libcurl 7.88 makes another path */
	if (to->handle != NULL && location != NULL && *location == '#')
		code = read_target(to, CURLUPART_FRAGMENT, location + 1);
	else if (to->handle != NULL && location != NULL)
		code = read_target(to, CURLUPART_URL, location);
	if (code == CURLUE_OUT_OF_MEMORY)
		return OUT_OF_MEMORY;
	if (code != CURLUE_OK)
		return message(request, "redirect to an invalid URL: %s",
					   pgnet_words_of_url(code, location));
	if (is_scheme(from, "https") && is_scheme(to, "http"))
		return message(request, "redirect from https to http, to host %s",
					   to->host);

	if (!same_origin(from, to))
		hop->with_secrets = false;
	else if (inherit(to, from, CURLUPART_USER) != CURLUE_OK ||
			 inherit(to, from, CURLUPART_PASSWORD) != CURLUE_OK)
		return OUT_OF_MEMORY;
	if (inherit(to, from, CURLUPART_FRAGMENT) != CURLUE_OK)
		return OUT_OF_MEMORY;
	return take_url(hop, request, to);
}

/*
 * What is wrong if a location names a scheme other than ours (RFC 3986, section
 * 3.1), after which anything may follow.
 */
static const char *
foreign_scheme(const HttpRequest *request, const char *location)
{
	size_t		length = strspn(location, SCHEME_CHARACTERS);
	char		scheme[MAX_SCHEME];

	if (location[length] != ':' || !isalpha((unsigned char) *location))
		return NULL;
	strlcpy(scheme, location, Min(length + 1, sizeof(scheme)));
	if (pg_strcasecmp(scheme, "http") == 0 ||
		pg_strcasecmp(scheme, "https") == 0)
		return NULL;
	return message(request, "redirect to a scheme that is not supported: %s",
				   scheme);
}

/*
 * Percent-encode what may not be in a URL but often is: blanks, and bytes
 * outside ASCII.  What stands for a host is left to libcurl.  NULL: no memory.
 */
static const char *
encode(const HttpRequest *request, const char *location)
{
	size_t		length = strlen(location);
	size_t		host_end = authority_length(location);
	char	   *copy = pgnet_allocate(request->context, 3 * length + 1);
	char	   *end = copy;

	if (copy == NULL)
		return NULL;
	for (size_t i = 0; i < length; i++)
	{
		unsigned char c = (unsigned char) location[i];

		if (i >= host_end && (c == ' ' || c >= 0x80))
			end += sprintf(end, "%%%02X", c);
		else
			*end++ = (char) c;
	}
	*end = '\0';
	return copy;
}

/* How much of a location is scheme and host? */
static size_t
authority_length(const char *location)
{
	const char *host = location + strspn(location, SCHEME_CHARACTERS);

	if (*host == ':')
		host++;
	else
		host = location;
	if (strncmp(host, "//", 2) != 0)
		return 0;
	host += 2;
	return (size_t) (host - location) + strcspn(host, "/?#");
}

/* Parse a URL, or change a part of it, and find its origin. */
static CURLUcode
read_target(Target *target, CURLUPart part, const char *url)
{
	CURLUcode	code = curl_url_set(target->handle, part, url,
									CURLU_ALLOW_SPACE);

	if (code == CURLUE_OK)
		code = curl_url_get(target->handle, CURLUPART_SCHEME,
							&target->scheme, 0);
	if (code == CURLUE_OK)
		code = curl_url_get(target->handle, CURLUPART_HOST, &target->host, 0);
	/* a scheme libcurl does not know has no port of its own */
	if (code == CURLUE_OK &&
		curl_url_get(target->handle, CURLUPART_PORT, &target->port,
					 CURLU_DEFAULT_PORT) == CURLUE_OUT_OF_MEMORY)
		code = CURLUE_OUT_OF_MEMORY;
	return code;
}

/* Free what is there. */
static void
free_target(Target *target)
{
	curl_url_cleanup(target->handle);
	curl_free(target->scheme);
	curl_free(target->host);
	curl_free(target->port);
}

/* Are scheme, host and port the same? */
static bool
same_origin(const Target *one, const Target *other)
{
	return is_scheme(one, other->scheme) &&
		pg_strcasecmp(one->host, other->host) == 0 &&
		one->port != NULL && other->port != NULL &&
		strcmp(one->port, other->port) == 0;
}

/* Is it this scheme? */
static bool
is_scheme(const Target *target, const char *scheme)
{
	return pg_strcasecmp(target->scheme, scheme) == 0;
}

/* Copy a part that the new URL lacks. */
static CURLUcode
inherit(Target *to, const Target *from, CURLUPart part)
{
	char	   *old = NULL;
	char	   *new = NULL;
	CURLUcode	code = CURLUE_OK;

	if (curl_url_get(to->handle, part, &new, 0) != CURLUE_OK &&
		curl_url_get(from->handle, part, &old, 0) == CURLUE_OK)
		code = curl_url_set(to->handle, part, old, 0);
	curl_free(old);
	curl_free(new);
	return code;
}

/* Copy the URL into the request's memory. */
static const char *
take_url(Hop *hop, const HttpRequest *request, Target *to)
{
	char	   *whole = NULL;
	char	   *copy = NULL;
	CURLUcode	code = curl_url_get(to->handle, CURLUPART_URL, &whole, 0);

	if (code == CURLUE_OK)
		copy = pgnet_allocate_copy(request->context, whole);
	if (copy != NULL)
		hop->url = copy;
	curl_free(whole);
	return copy ? NULL : OUT_OF_MEMORY;
}

/* Is the next request one that only asks for something? */
static bool
drops_body(long status, const char *method)
{
	return status == 303 ||
		((status == 301 || status == 302) && strcmp(method, "POST") == 0);
}

/* RFC 9110, section 15.4: what says something of a body goes with it. */
static bool
describes_body(const char *header_name)
{
	static const char *const others[] = {"Digest", "Last-Modified"};

	if (pg_strncasecmp(header_name, "Content-", 8) == 0)
		return true;
	for (int i = 0; i < (int) lengthof(others); i++)
		if (pg_strcasecmp(header_name, others[i]) == 0)
			return true;
	return false;
}

/* A message in the request's memory. */
static const char *
message(const HttpRequest *request, const char *format, const char *what)
{
	size_t		size = strlen(format) + strlen(what) + 1;
	char	   *text = pgnet_allocate(request->context, size);

	if (text == NULL)
		return OUT_OF_MEMORY;
	snprintf(text, size, format, what);
	return text;
}
