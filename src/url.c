/*
 * url.c -- URLs, through libcurl's URL parser.
 *
 * Runs in: client backends and workers.  Nothing here throws while libcurl
 * holds memory: its objects are freed before an error leaves.
 */
#include "postgres.h"

#include <curl/curl.h>

#include "common/hashfn.h"
#include "mb/pg_wchar.h"

#include "url.h"

/* How much of a URL an error message shows. */
#define SHOWN_URL_BYTES 200

static char *url_finish(CURLU *handle, CURLUcode code, const char *url,
						char **problem);
static CURLUcode url_parse(CURLU *handle, const char *url);
static CURLUcode url_add_pair(CURLU *handle, const char *pair);
static char *url_shown(const char *url);
static char *take_string(char *from_libcurl);

/* Append params, encoded, to url's query. */
char *
pgnet_url_build(const char *url, const UrlParam *params, int nparams,
				char **problem)
{
	char	  **pairs = palloc(sizeof(char *) * (nparams + 1));

	for (int i = 0; i < nparams; i++)
		pairs[i] = psprintf("%s=%s", pgnet_url_encode(params[i].key),
							pgnet_url_encode(params[i].value));
	return pgnet_url_append(url, pairs, nparams, problem);
}

/* Append pairs, encoded already, to url's query. */
char *
pgnet_url_append(const char *url, char **pairs, int npairs, char **problem)
{
	char	   *utf8 = pg_server_to_any(url, strlen(url), PG_UTF8);
	CURLU	   *handle = curl_url();
	CURLUcode	code;

	if (handle == NULL)
		ereport(ERROR, errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"));
	code = url_parse(handle, utf8);
	for (int i = 0; i < npairs && code == CURLUE_OK; i++)
		code = url_add_pair(handle, pairs[i]);
	return url_finish(handle, code, url, problem);
}

/* Say what is wrong with url, if anything. */
char *
pgnet_url_problem(const char *url)
{
	char	   *problem = NULL;

	(void) pgnet_url_append(url, NULL, 0, &problem);
	return problem;
}

/* Say what is wrong with url unless it names a scheme of ours. */
char *
pgnet_url_scheme_problem(const char *url)
{
	if (pg_strncasecmp(url, "http://", 7) == 0 ||
		pg_strncasecmp(url, "https://", 8) == 0)
		return NULL;
	return pgnet_url_problem(url);
}

/* Percent-encode text as UTF-8. */
char *
pgnet_url_encode(const char *text)
{
	char	   *utf8 = pg_server_to_any(text, strlen(text), PG_UTF8);

	/* an empty length means strlen() to curl_easy_escape */
	return take_string(curl_easy_escape(NULL, utf8, strlen(utf8)));
}

/*
 * Hash what stands before the path.  Two spellings of one host may count as
 * two, and a user name in the URL as a host of its own: that only shifts
 * limits, so a scan is enough and a parser not worth its price.
 */
uint64
pgnet_url_host_key(const char *url)
{
	const char *scheme_end = strstr(url, "://");
	const char *authority = scheme_end ? scheme_end + 3 : url;
	size_t		length = authority - url + strcspn(authority, "/?#");

	return hash_bytes_extended((const unsigned char *) url, (int) length, 0);
}

/* Parse url as an absolute http or https URL. */
static CURLUcode
url_parse(CURLU *handle, const char *url)
{
	CURLUcode	code;
	char	   *scheme = NULL;

	/*
	 * URLENCODE turns bytes outside of ASCII into percent escapes, as the
	 * address bar of a browser does, and leaves escapes alone.
	 */
	code = curl_url_set(handle, CURLUPART_URL, url, CURLU_URLENCODE);
	if (code == CURLUE_OK)
		code = curl_url_get(handle, CURLUPART_SCHEME, &scheme, 0);
	if (code == CURLUE_OK && strcmp(scheme, "http") != 0 &&
		strcmp(scheme, "https") != 0)
		code = CURLUE_UNSUPPORTED_SCHEME;
	curl_free(scheme);
	return code;
}

/* Append one encoded pair to the query. */
static CURLUcode
url_add_pair(CURLU *handle, const char *pair)
{
	return curl_url_set(handle, CURLUPART_QUERY, pair, CURLU_APPENDQUERY);
}

/* Free the handle and give back either the URL or the problem. */
static char *
url_finish(CURLU *handle, CURLUcode code, const char *url, char **problem)
{
	char	   *whole = NULL;

	if (code == CURLUE_OK)
		code = curl_url_get(handle, CURLUPART_URL, &whole, 0);
	curl_url_cleanup(handle);
	if (code == CURLUE_OK)
	{
		char	   *utf8 = take_string(whole);

		/* all ASCII but perhaps for the host */
		return pg_any_to_server(utf8, strlen(utf8), PG_UTF8);
	}
	*problem = psprintf("invalid URL \"%s\": %s", url_shown(url),
						curl_url_strerror(code));
	return NULL;
}

/* url as a message may show it: bounded, and without a user's password. */
static char *
url_shown(const char *url)
{
	int			length = pg_mbcliplen(url, strlen(url), SHOWN_URL_BYTES);
	char	   *shown = pnstrdup(url, length);
	char	   *start = strstr(shown, "://");
	char	   *at;

	start = start ? start + 3 : shown;
	at = strrchr(start, '@');
	if (at == NULL)
		return length < (int) strlen(url) ? psprintf("%s...", shown) : shown;
	return psprintf("%.*s***%s", (int) (start - shown), shown, at);
}

/* Move a string of libcurl's to the current memory context. */
static char *
take_string(char *from_libcurl)
{
	char	   *copy = NULL;

	if (from_libcurl != NULL)
		copy = MemoryContextAllocExtended(CurrentMemoryContext,
										  strlen(from_libcurl) + 1,
										  MCXT_ALLOC_NO_OOM);
	if (copy != NULL)
		strcpy(copy, from_libcurl);
	curl_free(from_libcurl);
	if (copy == NULL)
		ereport(ERROR, errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"));
	return copy;
}
