/*
 * setup.h -- one step of a request as options of a libcurl handle.
 *
 * Runs in: workers.  Nothing here throws.
 */
#ifndef PGNET_SETUP_H
#define PGNET_SETUP_H

#include "postgres.h"

#include <curl/curl.h>

#include "http/defaults.h"
#include "http/parsed_urls.h"
#include "http/redirect.h"

typedef struct Setup
{
	CURL	   *easy;
	ParsedUrls *urls;
	ParsedUrl  *url;			/* NULL: not one of those */
	struct curl_slist *header_lines;	/* in the request's memory context */
	struct curl_slist *last_line;
	struct curl_slist *connect_to;	/* libcurl's memory */
	bool		fresh;			/* only on a connection of its own */
	bool		tls;			/* with the host, or a proxy */
	bool		http2;			/* if the server speaks it */
	bool		to_unix_socket; /* not to an address */
	bool		by_proxy;
	bool		by_detour;		/* by a way for more than this host */
	CURLcode	refused;		/* CURLE_OK: every option was taken */
	const char *refused_option; /* the first that was not */
} Setup;

/*
 * Was an option taken?  One that is refused means a libcurl built without what
 * we need, or no memory.
 */
extern bool pgnet_setup_taken(Setup *setup, CURLcode result,
							  const char *option);

/* Set one option. */
#define PGNET_SETUP(setup, option, value) \
	pgnet_setup_taken((setup), \
					  curl_easy_setopt((setup)->easy, option, value), #option)

/* Set what to send, where and how; false when an option was refused. */
extern bool pgnet_setup_hop(Setup *setup, const HttpRequest *request,
							const Hop *hop, const HttpDefaults *defaults);

/* Free what libcurl only borrows; the handle is not used any more. */
extern void pgnet_setup_free(Setup *setup);

#endif							/* PGNET_SETUP_H */
