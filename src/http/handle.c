/*
 * handle.c -- libcurl's easy handles, used again.
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include <curl/curl.h>

#include "compat.h"
#include "http/handle.h"

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
