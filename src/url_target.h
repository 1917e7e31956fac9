/*
 * url_target.h -- where a URL leads.
 *
 * Runs in: client backends and workers, also outside of transactions.
 */
#ifndef PGNET_URL_TARGET_H
#define PGNET_URL_TARGET_H

#include "postgres.h"

/* For _PG_init(), in the postmaster. */
extern void pgnet_url_target_init(void);

/* Scheme, host and port, in one form however they are written. */
typedef struct UrlTarget
{
	char		scheme[6];		/* "http" or "https" */
	char		host[256];		/* in small letters, no dot at the end */
	int			port;
} UrlTarget;

/*
 * Find the target of a URL.  False if it has none, or if its host has other
 * characters than ASCII, which are up to the resolver.  Numeric addresses are
 * in their usual form.  Does not throw.
 */
extern bool pgnet_url_target(const char *url, UrlTarget *target);

/*
 * A hash of scheme, host and port, or of the name of an endpoint.  Nobody can
 * make two that are the same on purpose, and it is another one after a restart
 * of the server.
 */
extern uint64 pgnet_url_host_key(const char *url);

/*
 * Host and port for a message, never a user or a password: where they stand in
 * url, and *length bytes of them.  Does not throw.
 */
extern const char *pgnet_url_host(const char *url, int *length);

/* url with asterisks for its user and password; url itself if it has none. */
extern const char *pgnet_url_masked(const char *url);

#endif							/* PGNET_URL_TARGET_H */
