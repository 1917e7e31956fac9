/*
 * exchange.c -- what is wrong with a request, and what is in it.
 *
 * Runs in: client backends and workers.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"

#include "exchange.h"

/* How much of a user's text a message shows. */
#define SHOWN_BYTES 100

/* Registered methods have 17 at most. */
#define MAX_METHOD_BYTES 64

static const char *const version_names[] = {
	[PGNET_HTTP_1_0] = "1.0",
	[PGNET_HTTP_1_1] = "1.1",
	[PGNET_HTTP_2] = "2"
};

static bool is_token(const char *text);
static char *shown(const char *text);

/*
 * A method is a token (RFC 9110, section 9.1).  CONNECT would make a tunnel of
 * a connection on which others' requests follow.
 */
char *
pgnet_method_problem(const char *method)
{
	if (method == NULL)
		return pstrdup("null value in column \"method\"");
	if (!is_token(method) || strlen(method) > MAX_METHOD_BYTES)
		return psprintf("invalid HTTP method \"%s\"", shown(method));
	if (pg_strcasecmp(method, "CONNECT") == 0)
		return psprintf("HTTP method \"%s\" is not allowed", method);
	return NULL;
}

/* RFC 9110, section 9.2.2. */
bool
pgnet_method_is_idempotent(const char *method)
{
	static const char *const known[] = {
		"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"
	};

	for (int i = 0; i < (int) lengthof(known); i++)
		if (pg_strcasecmp(method, known[i]) == 0)
			return true;
	return false;
}

/* Nothing takes a longer one. */
char *
pgnet_url_length_problem(size_t length)
{
	if (length > PGNET_MAX_URL_BYTES)
		return psprintf("URL is longer than %d bytes", PGNET_MAX_URL_BYTES);
	return NULL;
}

/* What servers take it for differs (RFC 9110, section 9.3.2). */
char *
pgnet_body_problem(const char *method, bool has_body)
{
	if (has_body && pg_strcasecmp(method, "HEAD") == 0)
		return pstrdup("a HEAD request cannot have a body");
	return NULL;
}

/*
 * A field name is a token, and a value holds no CR, LF or NUL (RFC 9110,
 * sections 5.1 and 5.5).  This is what keeps a value from adding header lines:
 * http/ sends what it is given.  The value is never part of the message: it may
 * be a secret.
 */
char *
pgnet_header_problem(const Field *header)
{
	if (!is_token(header->name))
		return psprintf("invalid HTTP header name \"%s\"", shown(header->name));
	if (strpbrk(header->value, "\r\n") != NULL)
		return psprintf("value of HTTP header \"%s\" contains a line break",
						shown(header->name));
	return NULL;
}

/* Find a field by name. */
const char *
pgnet_headers_find(const Field *headers, int nheaders, const char *name)
{
	for (int i = 0; i < nheaders; i++)
		if (pg_strcasecmp(headers[i].name, name) == 0)
			return headers[i].value;
	return NULL;
}

/* A request without an end would hold its place for ever. */
char *
pgnet_timeout_problem(int timeout_ms)
{
	if (timeout_ms <= 0)
		return psprintf("timeout must be positive, not %d ms", timeout_ms);
	return NULL;
}

/* Options have ranges. */
char *
pgnet_options_problem(const HttpOptions *options)
{
	if (options->connect_timeout_ms != PGNET_UNSET &&
		options->connect_timeout_ms <= 0)
		return psprintf("connect timeout must be positive, not %d ms",
						options->connect_timeout_ms);
	if (options->max_redirects != PGNET_UNSET && options->max_redirects < 0)
		return psprintf("number of redirects must not be negative, not %d",
						options->max_redirects);
	if (options->max_response_bytes != PGNET_UNSET &&
		(options->max_response_bytes < 0 ||
		 options->max_response_bytes > PGNET_MAX_RESPONSE_BYTES))
		return psprintf("size of the response body must be 0 to " INT64_FORMAT " bytes, not " INT64_FORMAT,
						PGNET_MAX_RESPONSE_BYTES, options->max_response_bytes);
	return NULL;
}

/* Find a version by its name. */
char *
pgnet_http_version_parse(const char *name, HttpVersion *version)
{
	for (int i = PGNET_HTTP_1_0; i <= PGNET_HTTP_2; i++)
		if (strcmp(name, version_names[i]) == 0)
		{
			*version = i;
			return NULL;
		}
	return psprintf("HTTP version must be 1.0, 1.1 or 2, not \"%s\"", shown(name));
}

/* Name a version. */
const char *
pgnet_http_version_name(HttpVersion version)
{
	return version_names[version];
}

/* Is text a token: one or more of the characters of RFC 9110, 5.6.2? */
static bool
is_token(const char *text)
{
	if (*text == '\0')
		return false;
	for (const char *c = text; *c != '\0'; c++)
	{
		if ((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
			(*c >= '0' && *c <= '9'))
			continue;
		if (strchr("!#$%&'*+-.^_`|~", *c) == NULL)
			return false;
	}
	return true;
}

/* The start of text, whole characters only. */
static char *
shown(const char *text)
{
	return pnstrdup(text, pg_mbcliplen(text, strlen(text), SHOWN_BYTES));
}
