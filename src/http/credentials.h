/*
 * credentials.h -- which headers are secrets between a client and one origin.
 *
 * Runs in: workers.  Nothing here throws.
 */
#ifndef PGNET_CREDENTIALS_H
#define PGNET_CREDENTIALS_H

#include "postgres.h"

#include "exchange.h"

/* Does the name of a header look like that of a credential? */
extern bool pgnet_credential_looks_like(const char *name);

/* The same, or did the caller say so? */
extern bool pgnet_credential_is(const HttpRequest *request, const char *name);

#endif							/* PGNET_CREDENTIALS_H */
