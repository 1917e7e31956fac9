/*
 * url_parser.h -- libcurl's URL parser, and where the authority stands.
 *
 * Runs in: client backends and workers.  Nothing here throws.  Only url.c,
 * url_target.c and http/ include this: libcurl is not known to others.
 */
#ifndef PGNET_URL_PARSER_H
#define PGNET_URL_PARSER_H

#include "postgres.h"

#include <curl/curl.h>

/* Parse an absolute http or https URL with a host, whose text is UTF-8. */
extern CURLUcode pgnet_url_parse(CURLU *handle, const char *url);

/*
 * Where user, host and port begin: after the scheme and its slashes, of which
 * libcurl accepts one as well as two (lib/urlapi.c).  url itself if it has no
 * scheme.
 */
extern const char *pgnet_url_authority(const char *url);

/* Where they end: the index of the first character of the path. */
extern size_t pgnet_url_authority_end(const char *url);

/* A capital letter of ASCII as a small one. */
static inline char
pgnet_url_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
}

/* RFC 3986, section 3.1. */
static inline bool
pgnet_url_is_scheme_character(char c)
{
	char		letter = pgnet_url_lower(c);

	return (letter >= 'a' && letter <= 'z') || (c >= '0' && c <= '9') ||
		c == '+' || c == '-' || c == '.';
}

#endif							/* PGNET_URL_PARSER_H */
