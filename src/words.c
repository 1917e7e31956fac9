/*
 * words.c -- what is wrong with a URL, in words.
 *
 * Runs in: client backends and workers.
 */
#include "postgres.h"

#include <curl/curl.h>

#include "words.h"

static const char *place_of_bad_byte(const char *url);

/* Name an error of the URL parser. */
const char *
pgnet_words_of_url(CURLUcode code, const char *url)
{
	const char *place = NULL;

	switch (code)
	{
		case CURLUE_NO_HOST:
			return "No host part in the URL";
		case CURLUE_NO_SCHEME:
			return "No scheme part in the URL";
		case CURLUE_MALFORMED_INPUT:
			place = place_of_bad_byte(url);
			break;
		default:
			break;
	}
	return place ? place : curl_url_strerror(code);
}

/*
 * libcurl 8 refuses control characters and blanks wherever they are, 7.88 says
 * in which part.  NULL if there is no such byte.
 */
static const char *
place_of_bad_byte(const char *url)
{
	const char *path = url;
	const char *bad = url;

	while ((unsigned char) *bad > ' ' && *bad != '\177')
		bad++;
	if (*bad == '\0' && bad > url)
		return NULL;
	if (*url != '/')
	{
		path = strchr(url, ':');
		if (path == NULL || bad < path)
			return "Bad scheme";
		path++;
		path += strspn(path, "/");
		path += strcspn(path, "/?#");
		if (bad < path)
			return "Bad hostname";
	}
	if (memchr(path, '#', bad - path) != NULL)
		return "Bad fragment";
	return memchr(path, '?', bad - path) != NULL ? "Bad query" : "Bad path";
}
