/*
 * defaults.h -- how to send what does not say it itself.
 *
 * Runs in: workers.
 */
#ifndef PGNET_DEFAULTS_H
#define PGNET_DEFAULTS_H

#include "postgres.h"

#include "exchange.h"

/* What the administrator wants; strings belong to whoever made it. */
typedef struct HttpDefaults
{
	/*
	 * All are set.  A connect timeout of 0 is the whole timeout, and
	 * max_response_bytes the most that a request can ask for.
	 */
	HttpOptions options;

	/* whom to trust; both "": the system's authorities */
	const char *ca_file;
	const char *ca_directory;
	TlsVersion	tls_min_version;

	const char *user_agent;		/* "": none */
	IpVersion	ip_version;
	const char *proxy;			/* "": none */
	const char *no_proxy;		/* hosts, with commas between, or "*" */
} HttpDefaults;

/* An option of a request, or else of all: unset is what the first may be. */
#define PGNET_OPTION(request, defaults, name, unset) \
	((request)->options.name != (unset) ? (request)->options.name : \
										  (defaults)->options.name)

#endif							/* PGNET_DEFAULTS_H */
