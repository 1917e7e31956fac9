/*
 * callback.h -- the function that is called with the response.
 *
 * Runs in: client backends.
 */
#ifndef PGNET_API_CALLBACK_H
#define PGNET_API_CALLBACK_H

#include "postgres.h"

/*
 * Find the function that SQL would call for name(net._http_response) and
 * return its qualified name.  Throws as SQL does if no such function exists or
 * the current user may not call it.
 */
extern char *pgnet_callback_resolve(text *name);

#endif							/* PGNET_API_CALLBACK_H */
