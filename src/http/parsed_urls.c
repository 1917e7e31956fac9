/*
 * parsed_urls.c -- the URLs that were sent to lately, as libcurl parsed them.
 *
 * Runs in: workers.
 *
 * Many requests go to few URLs, and to parse one and write it down in its
 * normal form is a tenth of what libcurl does for a small request.
 */
#include "postgres.h"

#include <curl/curl.h>

#include "common/hashfn.h"

#include "http/parsed_urls.h"

/* As libcurl parses the URL of a handle (lib/url.c). */
#define PARSE_FLAGS (CURLU_GUESS_SCHEME | CURLU_NON_SUPPORT_SCHEME)

/* Longer ones are not kept: 2 MB is what all may take. */
#define MAX_KEPT_BYTES 512

static ParsedUrl *remember(const char *given);
static bool parse(ParsedUrl *url);

/* Find a URL that was asked for before; from the second time on parsed. */
ParsedUrl *
pgnet_parsed_urls_find(ParsedUrls *urls, const char *url)
{
	size_t		length = strlen(url);
	ParsedUrl **place;
	ParsedUrl  *found;

	if (length > MAX_KEPT_BYTES)
		return NULL;
	place = &urls->recent[hash_bytes((const unsigned char *) url,
									 (int) length) %
						  PGNET_PARSED_URLS];
	found = *place;
	if (found == NULL || strcmp(found->given, url) != 0)
	{
		pgnet_parsed_url_end(found);
		*place = remember(url);
		return NULL;
	}
	if (!parse(found))
		return NULL;
	found->users++;
	return found;
}

/* Use one no more. */
void
pgnet_parsed_url_end(ParsedUrl *url)
{
	if (url == NULL || --url->users > 0)
		return;
	curl_url_cleanup(url->handle);
	curl_free(url->normal);
	free(url->given);
	free(url);
}

/* One that was asked for the first time; who remembers it uses it. */
static ParsedUrl *
remember(const char *given)
{
	ParsedUrl  *url = calloc(1, sizeof(ParsedUrl));

	if (url == NULL)
		return NULL;
	url->given = strdup(given);
	url->users = 1;
	if (url->given != NULL)
		return url;
	free(url);
	return NULL;
}

/* Parse it, unless that was done; false when that fails. */
static bool
parse(ParsedUrl *url)
{
	if (url->normal != NULL)
		return true;
	if (url->handle == NULL)
		url->handle = curl_url();
	return url->handle != NULL &&
		curl_url_set(url->handle, CURLUPART_URL, url->given, PARSE_FLAGS) ==
		CURLUE_OK &&
		curl_url_get(url->handle, CURLUPART_URL, &url->normal, 0) == CURLUE_OK;
}
