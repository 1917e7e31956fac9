/*
 * words.c -- what libcurl's errors are called.
 *
 * Runs in: client backends and workers.
 */
#include "postgres.h"

#include <curl/curl.h>

#include "words.h"

static const char *place_of_bad_byte(const char *url);

/* Name an error of a transfer: those that were reworded, by hand. */
const char *
pgnet_words(CURLcode code)
{
	switch (code)
	{
		case CURLE_COULDNT_RESOLVE_PROXY:
			return "Couldn't resolve proxy name";
		case CURLE_COULDNT_RESOLVE_HOST:
			return "Couldn't resolve host name";
		case CURLE_COULDNT_CONNECT:
			return "Couldn't connect to server";
		case CURLE_SSL_CIPHER:
			return "Couldn't use specified SSL cipher";
		case CURLE_SSL_ENGINE_INITFAILED:
			return "Failed to initialise SSL crypto engine";
		default:
			return curl_easy_strerror(code);
	}
}

/*
 * Name an error of a transfer, with its detail.  libcurl 8.23 calls a client's
 * certificate without a key a bad argument.
 */
const char *
pgnet_words_of_failure(CURLcode code, const char *detail)
{
	const char *no_key = "unable to set private key";

	if (code == CURLE_BAD_FUNCTION_ARGUMENT &&
		strncmp(detail, no_key, strlen(no_key)) == 0)
		code = CURLE_SSL_CERTPROBLEM;
	return pgnet_words(code);
}

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
