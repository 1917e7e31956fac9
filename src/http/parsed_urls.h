/*
 * parsed_urls.h -- the URLs that were sent to lately, as libcurl parsed them.
 *
 * Runs in: workers.  Nothing here throws; memory is from malloc().
 */
#ifndef PGNET_PARSED_URLS_H
#define PGNET_PARSED_URLS_H

#include "postgres.h"

#include <curl/curl.h>

/* A URL; does not change as long as somebody uses it. */
typedef struct ParsedUrl
{
	char	   *given;
	char	   *normal;			/* the same in its normal form */
	CURLU	   *handle;
	int			users;
} ParsedUrl;

/* For some hundreds of hosts, most of them with a place of their own. */
#define PGNET_PARSED_URLS 1024

/* One of zeros is an empty one. */
typedef struct ParsedUrls
{
	ParsedUrl  *recent[PGNET_PARSED_URLS];	/* by a hash of the URL */
} ParsedUrls;

/*
 * The parsed form of a URL, if it was asked for lately; pgnet_parsed_url_end()
 * for each.  NULL when it was not, when it cannot be parsed, or when there is
 * no memory: give libcurl the URL itself, which says what is wrong with it.
 */
extern ParsedUrl *pgnet_parsed_urls_find(ParsedUrls *urls, const char *url);

/* Use one no more; NULL is none. */
extern void pgnet_parsed_url_end(ParsedUrl *url);

#endif							/* PGNET_PARSED_URLS_H */
