/*
 * url_parser.c -- libcurl's URL parser, and where the authority stands.
 *
 * Runs in: client backends and workers.
 */
#include "postgres.h"

#include "url_parser.h"

static CURLUcode unescape_host(CURLU *handle, const char *url);

CURLUcode
pgnet_url_parse(CURLU *handle, const char *url)
{
	CURLUcode	code = curl_url_set(handle, CURLUPART_URL, url, 0);
	char	   *scheme = NULL;

	if (code == CURLUE_OK)
		code = unescape_host(handle, url);
	if (code == CURLUE_OK)
		code = curl_url_get(handle, CURLUPART_SCHEME, &scheme, 0);
	if (code == CURLUE_OK && strcmp(scheme, "http") != 0 &&
		strcmp(scheme, "https") != 0)
		code = CURLUE_UNSUPPORTED_SCHEME;
	/* libcurl takes a third slash for a slip of the finger */
	if (code == CURLUE_OK && strstr(url, ":///") == url + strlen(scheme))
		code = CURLUE_NO_HOST;
	curl_free(scheme);
	return code;
}

/*
 * libcurl takes escapes out of the host after it has looked for numbers that
 * are addresses in it: have it look again, or the host would be another one
 * when the URL is read the next time.
 */
static CURLUcode
unescape_host(CURLU *handle, const char *url)
{
	char	   *once = NULL;
	CURLUcode	code;

	if (memchr(url, '%', pgnet_url_authority_end(url)) == NULL)
		return CURLUE_OK;
	code = curl_url_get(handle, CURLUPART_URL, &once, 0);
	if (code == CURLUE_OK)
		code = curl_url_set(handle, CURLUPART_URL, once, 0);
	curl_free(once);
	return code;
}

const char *
pgnet_url_authority(const char *url)
{
	const char *scheme_end = url;

	while (pgnet_url_is_scheme_character(*scheme_end))
		scheme_end++;
	if (*scheme_end != ':' || scheme_end[1] != '/')
		return url;
	return scheme_end + 1 + strspn(scheme_end + 1, "/");
}

size_t
pgnet_url_authority_end(const char *url)
{
	const char *authority = pgnet_url_authority(url);

	return authority - url + strcspn(authority, "/?#");
}
