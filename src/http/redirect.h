/*
 * redirect.h -- where a redirect leads, and what may go there.
 *
 * Runs in: workers.  Nothing here throws.
 */
#ifndef PGNET_REDIRECT_H
#define PGNET_REDIRECT_H

#include "postgres.h"

#include "exchange.h"

/* One step on the way of a request: the first, or what a redirect leads to. */
typedef struct Hop
{
	int			number;			/* of redirects that led here */
	const char *url;			/* in the request's memory context */
	const char *method;			/* likewise, or static */
	bool		with_body;		/* the request's body goes along */
	bool		with_secrets;	/* every redirect was within one origin */
} Hop;

/* The first step. */
extern Hop	pgnet_hop_first(const HttpRequest *request);

/* Does a header of the request go along on this step? */
extern bool pgnet_hop_sends(const Hop *hop, const HttpRequest *request,
							const char *header_name);

/* Is it a status whose Location is another address for the same request? */
extern bool pgnet_redirect_is(long status);

/*
 * Go where a redirect of a hop leads.  NULL, or why it is not followed: static,
 * or in the request's memory context.
 */
extern const char *pgnet_redirect_follow(Hop *hop, const HttpRequest *request,
										 long status, const char *location);

#endif							/* PGNET_REDIRECT_H */
