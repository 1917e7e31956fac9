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

#endif							/* PGNET_DEFAULTS_H */
