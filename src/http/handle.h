/*
 * handle.h -- libcurl's easy handles, used again.
 *
 * Runs in: workers.
 */
#ifndef PGNET_HANDLE_H
#define PGNET_HANDLE_H

#include "postgres.h"

#include <curl/curl.h>

/*
 * A handle as if it were new, in place of one that libcurl is through with:
 * the same or another one, whose caller it is then; the one given is gone.
 * NULL when memory is out; then the one given stays as it is.
 */
extern CURL *pgnet_handle_renew(CURL *easy);

#endif							/* PGNET_HANDLE_H */
