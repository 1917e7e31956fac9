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

	const char *ca_file;		/* "": the system's authorities */
	const char *system_ca_path; /* libcurl's own directory of them, or NULL */
} HttpDefaults;

#endif							/* PGNET_DEFAULTS_H */
