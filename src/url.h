/*
 * url.h -- URLs: checking, adding query parameters, percent-encoding.
 *
 * Runs in: client backends and workers, inside a transaction, because encoding
 * conversions are in the catalogs.  Text is in the database's encoding and is
 * sent as UTF-8.  Of libcurl only the URL parser is used: no handle, no
 * network, no global state.
 */
#ifndef PGNET_URL_H
#define PGNET_URL_H

#include "postgres.h"

#include "exchange.h"

/*
 * The URL in its normal form (an empty path becomes "/"), with params appended
 * to its query, which are encoded for that; palloc'd.  NULL if url is
 * neither an absolute http or https URL nor one of an endpoint
 * (endpoint_url.h), or too long; *problem then says why.
 */
extern char *pgnet_url_build(const char *url, const Field *params,
							 int nparams, char **problem);

/* The same, with "key=value" strings that are encoded already. */
extern char *pgnet_url_append(const char *url, char **pairs, int npairs,
							  char **problem);

/* What is wrong with url, palloc'd, or NULL.  Never shows a password. */
extern char *pgnet_url_problem(const char *url);

/*
 * The same for a URL that is about to be sent: one with the scheme http or
 * https has no problem here, as libcurl parses it again.
 */
extern char *pgnet_url_scheme_problem(const char *url);

/* A hint how to write a url that has a problem, palloc'd, or NULL. */
extern char *pgnet_url_hint(const char *url);

/*
 * Percent-encode all but the unreserved characters (RFC 3986, section 2.3) of
 * text as UTF-8, palloc'd.
 */
extern char *pgnet_url_encode(const char *text);

#endif							/* PGNET_URL_H */
