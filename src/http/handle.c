/*
 * handle.c -- libcurl's easy handles, used again.
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include <curl/curl.h>

#include "compat.h"
#include "http/handle.h"

/* Take a clean one. */
CURL *
pgnet_handle_take(Handles *handles)
{
	CURL	   *easy;

	if (handles->nclean > 0)
		return handles->clean[--handles->nclean];
	if (handles->nused == 0)
		return curl_easy_init();
	easy = pgnet_handle_renew(handles->used[handles->nused - 1]);
	if (easy != NULL)
		handles->nused--;
	return easy;
}

/* Keep one, as it is: cleaning takes time, and its answer waits. */
void
pgnet_handle_put(Handles *handles, CURL *easy)
{
	/* that was the transfer's */
	(void) curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, NULL);
	if (handles->nclean + handles->nused < PGNET_SPARE_HANDLES)
		handles->used[handles->nused++] = easy;
	else
		curl_easy_cleanup(easy);
}

/* Clean some. */
void
pgnet_handles_clean(Handles *handles, int max)
{
	for (; max > 0 && handles->nused > 0; max--)
	{
		CURL	   *used = handles->used[handles->nused - 1];
		CURL	   *clean = pgnet_handle_renew(used);

		if (clean == NULL)
			return;
		handles->nused--;
		handles->clean[handles->nclean++] = clean;
	}
}

/*
 * Make a handle new.  With an old libcurl that is another one.  One whose
 * HTTP/2 connection had other transfers at its end keeps its buffer (libcurl
 * 7.88), and with that refuses another size, which the next request may need.
 */
CURL *
pgnet_handle_renew(CURL *easy)
{
	CURL	   *fresh;

#ifndef PGNET_CURL_STALE_HEADER
	curl_easy_reset(easy);
	if (curl_easy_setopt(easy, CURLOPT_BUFFERSIZE,
						 (long) CURL_MAX_WRITE_SIZE) == CURLE_OK)
		return easy;
#endif
	fresh = curl_easy_init();
	if (fresh != NULL)
		curl_easy_cleanup(easy);
	return fresh;
}
