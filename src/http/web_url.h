/*
 * web_url.h -- a URL that a request is sent to, in the parts that are needed
 * for that.
 *
 * Runs in: workers.  Nothing here throws; memory is from malloc().
 *
 * libcurl's parser takes them apart, as it does at the call: see url.h.
 */
#ifndef PGNET_WEB_URL_H
#define PGNET_WEB_URL_H

#include "postgres.h"

#include "http/errors.h"

/* Does not change as long as somebody uses it. */
typedef struct WebUrl
{
	char	   *given;			/* as it was asked for */
	bool		https;
	char	   *host;			/* in ASCII, small letters, without brackets */
	char	   *lookup_host;	/* the same, with the zone of an IPv6 address */
	char	   *zone;			/* the end of that: "%eth0"; NULL: none */
	int			port;
	char	   *authority;		/* for Host: host, and port if not the usual */
	char	   *target;			/* path and query, in their normal form */
	char	   *credentials;	/* of its user, for Authorization; NULL: none */
	int			users;			/* of this */
} WebUrl;

/* For some hundreds of hosts, most of them with a place of their own. */
#define PGNET_WEB_URLS 1024

/* Those used lately, by a hash; one of zeros is an empty one. */
typedef struct WebUrls
{
	WebUrl	   *recent[PGNET_WEB_URLS];
} WebUrls;

/*
 * Parse a URL, or find it among those that were asked for lately; one with a
 * secret is not kept, and urls may be NULL then.  To be ended by
 * pgnet_web_url_end().  NULL, with *error (PGNET_PROBLEM_URL or _MEMORY), when
 * it is none.
 */
extern WebUrl *pgnet_web_url_find(WebUrls *urls, const char *url,
								  bool has_secret, HttpError *error);

/* Use one no more; NULL is none. */
extern void pgnet_web_url_end(WebUrl *url);

#endif							/* PGNET_WEB_URL_H */
