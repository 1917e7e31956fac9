/*
 * handle.h -- libcurl's easy handles, used again.
 *
 * Runs in: workers.  Nothing here throws.
 */
#ifndef PGNET_HANDLE_H
#define PGNET_HANDLE_H

#include "postgres.h"

#include <curl/curl.h>

/* Handles kept for the next requests. */
#define PGNET_SPARE_HANDLES 256

/* One of zeros has none. */
typedef struct Handles
{
	CURL	   *clean[PGNET_SPARE_HANDLES];
	int			nclean;
	CURL	   *used[PGNET_SPARE_HANDLES];
	int			nused;
} Handles;

/* A clean handle, or NULL when memory is out; give it back, or clean it up. */
extern CURL *pgnet_handle_take(Handles *handles);

/* Give a handle back that libcurl has let go of. */
extern void pgnet_handle_put(Handles *handles, CURL *easy);

/* Nothing is urgent: clean those that came back, max of them. */
extern void pgnet_handles_clean(Handles *handles, int max);

/*
 * Make a handle clean, which may be another one then.  NULL when memory is
 * out; the old one is still there.
 */
extern CURL *pgnet_handle_renew(CURL *easy);

#endif							/* PGNET_HANDLE_H */
