/*
 * endpoint_url.h -- net://name/path?query, the URL of a request to an endpoint.
 *
 * Runs in: every process.  Only the form: which endpoints there are is for
 * tables/policy/endpoints.h.  A name counts as it is written.
 */
#ifndef PGNET_ENDPOINT_URL_H
#define PGNET_ENDPOINT_URL_H

#include "postgres.h"

#define PGNET_ENDPOINT_SCHEME "net://"

/* The parts of such a URL, which point into it. */
typedef struct EndpointUrl
{
	const char *name;
	size_t		name_length;
	const char *path;			/* with the slash before it; may be empty */
	size_t		path_length;
	const char *query;			/* without the question mark; may be empty */
	size_t		query_length;
} EndpointUrl;

/* Does it name an endpoint, in whatever form?  Does not throw. */
extern bool pgnet_url_is_endpoint(const char *url);

/*
 * The parts of a URL for which that is true.  What is wrong with it, static,
 * in the words that follow "it", as in "has a port"; or NULL.  Does not throw.
 */
extern const char *pgnet_endpoint_url_parse(const char *url,
											EndpointUrl *parts);

/*
 * The URL that path and query of a request make of a base, palloc'd.  The base
 * is an http or https URL without a fragment.
 */
extern char *pgnet_endpoint_url_join(const char *base,
									 const EndpointUrl *parts);

/*
 * May this be the path or the query of a URL (RFC 3986, sections 3.3 and 3.4),
 * and not more?  Does not throw.
 */
extern bool pgnet_url_part_is_valid(const char *part, bool is_query);

/* Where the path of an http or https URL begins: its length, if it has none. */
extern size_t pgnet_url_path_start(const char *url);

#endif							/* PGNET_ENDPOINT_URL_H */
