/*
 * basic_auth.h -- user and password of a URL, as a field says them (RFC 7617).
 *
 * Runs in: workers.  Nothing here throws; memory is from malloc().
 */
#ifndef PGNET_BASIC_AUTH_H
#define PGNET_BASIC_AUTH_H

#include "postgres.h"

#include <curl/curl.h>

/*
 * "Basic ..." for the user of a parsed URL in *credentials, which is to be
 * freed; NULL: it has none.
 */
extern CURLUcode pgnet_basic_auth(CURLU *handle, char **credentials);

#endif							/* PGNET_BASIC_AUTH_H */
