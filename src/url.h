/*
 * url.h -- URLs: checking, adding query parameters, percent-encoding.
 *
 * Runs in: client backends and workers; but for pgnet_url_host_key() inside a
 * transaction, since conversions are catalog entries.  The one place outside
 * of http/ that uses libcurl, and only its URL parser: no handle, no network,
 * no global state.  Text is in the database's encoding and is sent as UTF-8.
 */
#ifndef PGNET_URL_H
#define PGNET_URL_H

#include "postgres.h"

#include "exchange.h"

/* Where a URL leads, in one form however it is written. */
typedef struct UrlTarget
{
	char		scheme[6];		/* "http" or "https" */
	char		host[256];		/* in small letters, no dot at the end */
	int			port;
} UrlTarget;

/*
 * The URL with params, not yet encoded, appended to its query, in its normal form ("" as path
 * becomes "/"), palloc'd.  NULL when url is not an absolute http or https
 * URL, or too long; *problem then says why.
 */
extern char *pgnet_url_build(const char *url, const Field *params,
							 int nparams, char **problem);

/* As above with "key=value" strings that are encoded already. */
extern char *pgnet_url_append(const char *url, char **pairs, int npairs,
							  char **problem);

/* What is wrong with url, palloc'd, or NULL; never shows a password. */
extern char *pgnet_url_problem(const char *url);

/*
 * The same for a URL about to be sent: one that names http or https is left
 * to libcurl's own check, which comes anyway.
 */
extern char *pgnet_url_scheme_problem(const char *url);

/* How to write a url that has a problem, palloc'd, or NULL. */
extern char *pgnet_url_hint(const char *url);

/* Percent-encode all but the unreserved characters (RFC 3986, section 2.3). */
extern char *pgnet_url_encode(const char *text);

/*
 * Host and port for a message, never a user or a password: where in url they
 * stand, and in *length how long they are.  Does not throw.
 */
extern const char *pgnet_url_host(const char *url, int *length);

/*
 * url without its user and password, for those who may see where a request
 * went: url itself when it has none, else palloc'd.
 */
extern const char *pgnet_url_masked(const char *url);

/*
 * Find where a URL leads.  False when that is nowhere, or to a host that has
 * other characters than ASCII: what it means is up to the resolver.  Does not
 * throw.  Numeric addresses are in their usual form.
 */
extern bool pgnet_url_target(const char *url, UrlTarget *target);

/* A hash of scheme, host and port, for sharing limits fairly, not for trust. */
extern uint64 pgnet_url_host_key(const char *url);

#endif							/* PGNET_URL_H */
