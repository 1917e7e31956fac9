/*
 * web_url.c -- a URL that a request is sent to, in the parts that are needed
 * for that.
 *
 * Runs in: workers.
 *
 * Many requests go to few URLs, and to take one apart costs more than to send
 * it.  The parts of one are in one piece of memory.
 */
#include "postgres.h"

#include <curl/curl.h>

#include "common/hashfn.h"

#include "http/basic_auth.h"
#include "http/web_url.h"
#include "url_parser.h"
#include "words.h"

/* Longer ones are not kept. */
#define MAX_KEPT_BYTES 512

/* A port as text, with a colon. */
#define MAX_PORT sizeof(":65535")

/* What libcurl says of a URL; all but the port is to be freed. */
typedef struct Parts
{
	bool		https;
	char	   *host;			/* in ASCII, in brackets if it is of IPv6 */
	char	   *zone;			/* without the percent sign; NULL: none */
	int			port;
	char		port_text[MAX_PORT];	/* "": it is the usual one */
	char	   *path;
	char	   *query;			/* NULL: none */
	char	   *credentials;	/* NULL: none */
} Parts;

static WebUrl *parse(const char *given, HttpError *error);
static CURLUcode read_parts(CURLU *handle, const char *given, Parts *parts);
static CURLUcode read_scheme(CURLU *handle, Parts *parts);
static CURLUcode read_host(CURLU *handle, Parts *parts);
static CURLUcode read_port(CURLU *handle, Parts *parts);
static CURLUcode read_target(CURLU *handle, Parts *parts);
static CURLUcode read_optional(CURLU *handle, CURLUPart part,
							   CURLUcode missing, char **value);
static void free_parts(Parts *parts);
static WebUrl *assemble(const char *given, const Parts *parts);
static char *add_host(char *end, const char *host);
static char *add(char *end, const char *text);

/* Look at the place that its hash says. */
WebUrl *
pgnet_web_url_find(WebUrls *urls, const char *url, bool has_secret,
				   HttpError *error)
{
	size_t		length = strlen(url);
	WebUrl	  **place;

	if (has_secret || length > MAX_KEPT_BYTES)
		return parse(url, error);
	place = &urls->recent[hash_bytes((const unsigned char *) url,
									 (int) length) %
						  PGNET_WEB_URLS];
	if (*place == NULL || strcmp((*place)->given, url) != 0)
	{
		WebUrl	   *parsed = parse(url, error);

		if (parsed == NULL)
			return NULL;
		pgnet_web_url_end(*place);
		*place = parsed;
	}
	(*place)->users++;
	return *place;
}

void
pgnet_web_url_end(WebUrl *url)
{
	if (url != NULL && --url->users == 0)
		free(url);
}

/* Take one apart, for one user; NULL, with the error, when it is none. */
static WebUrl *
parse(const char *given, HttpError *error)
{
	CURLU	   *handle = curl_url();
	Parts		parts = {0};
	CURLUcode	code = CURLUE_OUT_OF_MEMORY;
	WebUrl	   *url = NULL;

	if (handle != NULL)
		code = read_parts(handle, given, &parts);
	if (code == CURLUE_OK)
	{
		url = assemble(given, &parts);
		if (url == NULL)
			code = CURLUE_OUT_OF_MEMORY;
	}
	free_parts(&parts);
	curl_url_cleanup(handle);
	if (code == CURLUE_OUT_OF_MEMORY)
		pgnet_error_set(error, PGNET_PROBLEM_MEMORY, "%s", "");
	else if (code != CURLUE_OK)
		pgnet_error_set(error, PGNET_PROBLEM_URL, "%s",
						pgnet_words_of_url(code, given));
	return url;
}

/* Read each part; a fragment is nobody's but ours. */
static CURLUcode
read_parts(CURLU *handle, const char *given, Parts *parts)
{
	CURLUcode	code = pgnet_url_parse(handle, given);

	if (code == CURLUE_OK)
		code = read_scheme(handle, parts);
	if (code == CURLUE_OK)
		code = read_host(handle, parts);
	if (code == CURLUE_OK)
		code = read_port(handle, parts);
	if (code == CURLUE_OK)
		code = read_target(handle, parts);
	if (code == CURLUE_OK)
		code = pgnet_basic_auth(handle, &parts->credentials);
	return code;
}

/* One of the two that pgnet_url_parse() takes. */
static CURLUcode
read_scheme(CURLU *handle, Parts *parts)
{
	char	   *scheme = NULL;
	CURLUcode	code = curl_url_get(handle, CURLUPART_SCHEME, &scheme, 0);

	parts->https = code == CURLUE_OK && strcmp(scheme, "https") == 0;
	curl_free(scheme);
	return code;
}

/*
 * The host as name servers know it.  What cannot be written so libcurl takes
 * for a lack of memory, at least up to 7.88.
 */
static CURLUcode
read_host(CURLU *handle, Parts *parts)
{
	CURLUcode	code = curl_url_get(handle, CURLUPART_HOST, &parts->host,
									CURLU_PUNYCODE);

	if (code == CURLUE_OUT_OF_MEMORY)
		return CURLUE_BAD_HOSTNAME;
	if (code != CURLUE_OK)
		return code;
	for (const char *c = parts->host; *c != '\0'; c++)
		if (IS_HIGHBIT_SET(*c))
			return CURLUE_BAD_HOSTNAME;
	return read_optional(handle, CURLUPART_ZONEID, CURLUE_NO_ZONEID,
						 &parts->zone);
}

/* The port, and how Host says it (RFC 9110, section 4.2.1). */
static CURLUcode
read_port(CURLU *handle, Parts *parts)
{
	char	   *port = NULL;
	CURLUcode	code = curl_url_get(handle, CURLUPART_PORT, &port,
									CURLU_DEFAULT_PORT);

	if (code != CURLUE_OK)
		return code;
	parts->port = (int) strtol(port, NULL, 10);
	curl_free(port);
	if (parts->port != (parts->https ? 443 : 80))
		snprintf(parts->port_text, sizeof(parts->port_text), ":%d",
				 parts->port);
	return CURLUE_OK;
}

/*
 * Path and query, without the dots that lead up and down.  A question mark with
 * nothing behind it is lost, as it is at the call.
 */
static CURLUcode
read_target(CURLU *handle, Parts *parts)
{
	CURLUcode	code = curl_url_get(handle, CURLUPART_PATH, &parts->path,
									CURLU_URLENCODE);

	if (code != CURLUE_OK)
		return code;
	return read_optional(handle, CURLUPART_QUERY, CURLUE_NO_QUERY,
						 &parts->query);
}

/* Read a part that may be missing or empty, which is the same. */
static CURLUcode
read_optional(CURLU *handle, CURLUPart part, CURLUcode missing, char **value)
{
	CURLUcode	code = curl_url_get(handle, part, value, 0);

	if (code == missing)
		return CURLUE_OK;
	if (code == CURLUE_OK && **value == '\0')
	{
		curl_free(*value);
		*value = NULL;
	}
	return code;
}

static void
free_parts(Parts *parts)
{
	curl_free(parts->host);
	curl_free(parts->zone);
	curl_free(parts->path);
	curl_free(parts->query);
	free(parts->credentials);
}

/* Put parts together; NULL: no memory. */
static WebUrl *
assemble(const char *given, const Parts *parts)
{
	const char *zone = parts->zone ? parts->zone : "";
	const char *query = parts->query ? parts->query : "";
	const char *credentials = parts->credentials ? parts->credentials : "";
	size_t		size = strlen(given) + 3 * strlen(parts->host) +
		strlen(zone) + strlen(parts->path) + strlen(query) +
		strlen(credentials);

	/* each of six strings has a NUL; zone and query have a sign before them */
	WebUrl	   *url = malloc(sizeof(WebUrl) + size + MAX_PORT + 6 + 2);
	char	   *end;

	if (url == NULL)
		return NULL;
	end = (char *) (url + 1);
	*url = (WebUrl) {.https = parts->https, .port = parts->port, .users = 1};
	url->given = end;
	end = add(end, given) + 1;
	url->host = end;
	end = add_host(end, parts->host) + 1;
	url->lookup_host = end;
	end = add_host(end, parts->host);
	if (*zone != '\0')
	{
		url->zone = end;
		end = add(add(end, "%"), zone);
	}
	url->authority = end + 1;
	end = add(add(end + 1, parts->host), parts->port_text) + 1;
	url->target = end;
	end = add(end, parts->path);
	if (*query != '\0')
		end = add(add(end, "?"), query);
	if (*credentials != '\0')
	{
		url->credentials = end + 1;
		(void) add(end + 1, credentials);
	}
	return url;
}

/* Write a host without its brackets, in small letters; where that ends. */
static char *
add_host(char *end, const char *host)
{
	for (; *host != '\0'; host++)
		if (*host != '[' && *host != ']')
			*end++ = pg_ascii_tolower((unsigned char) *host);
	*end = '\0';
	return end;
}

/* Write a text; where it ends, which is its NUL. */
static char *
add(char *end, const char *text)
{
	size_t		length = strlen(text);

	memcpy(end, text, length + 1);
	return end + length;
}
