/*
 * url.c -- URLs: checking, adding query parameters, percent-encoding.
 *
 * Runs in: client backends and workers.  Nothing here throws while libcurl
 * holds memory: its objects are freed before an error leaves.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"

#include "allocate.h"
#include "endpoint_url.h"
#include "exchange.h"
#include "url.h"
#include "url_parser.h"
#include "url_target.h"
#include "words.h"

/* How much of a URL an error message shows. */
#define SHOWN_URL_BYTES 200

/* Blanks that ASCII has. */
#define BLANKS " \t\r\n"

static char *url_finish(CURLU *handle, CURLUcode code, const char *url,
						char **problem);
static char *endpoint_finish(char *whole, const char *url, char **problem);
static char *url_normalize(const char *url, char **pairs, int npairs,
						   char **problem);
static const char *to_utf8(const char *text);
static char *url_assemble(const char *url, char **pairs, int npairs);
static char *edge_problem(const char *url);
static const char *blank_at(const char *utf8, size_t place);
static char *url_shown(const char *url);
static char *take_string(char *from_libcurl);

char *
pgnet_url_build(const char *url, const Field *params, int nparams,
				char **problem)
{
	char	  **pairs = palloc(sizeof(char *) * (nparams + 1));

	for (int i = 0; i < nparams; i++)
		pairs[i] = psprintf("%s=%s", pgnet_url_encode(params[i].name),
							pgnet_url_encode(params[i].value));
	return pgnet_url_append(url, pairs, nparams, problem);
}

char *
pgnet_url_append(const char *url, char **pairs, int npairs, char **problem)
{
	char	   *utf8 = url_normalize(url, pairs, npairs, problem);

	/* all ASCII but perhaps for the host */
	return utf8 ? pg_any_to_server(utf8, strlen(utf8), PG_UTF8) : NULL;
}

char *
pgnet_url_problem(const char *url)
{
	char	   *problem = NULL;

	(void) url_normalize(url, NULL, 0, &problem);
	return problem;
}

char *
pgnet_url_hint(const char *url)
{
	const char *scheme_end = url;

	while (pgnet_url_is_scheme_character(*scheme_end))
		scheme_end++;
	if (edge_problem(url) != NULL)
		return strchr(BLANKS, *url) != NULL ||
				strchr(BLANKS, url[strlen(url) - 1]) != NULL ?
			pstrdup("btrim(url, E' \\t\\r\\n') removes blanks and line breaks.") :
			NULL;
	if (*url == '\0' || (*url == '/' && url[1] != '/'))
		return pstrdup("Include the scheme and the host, as in \"https://example.com/path\".");
	if (*url == '/')
		return psprintf("Include the scheme, as in \"https:%s\".", url_shown(url));
	if (pg_strncasecmp(url, "http:", 5) == 0 ||
		pg_strncasecmp(url, "https:", 6) == 0 || pgnet_url_is_endpoint(url))
		return NULL;
	if (scheme_end > url && strncmp(scheme_end, "://", 3) == 0)
		return psprintf("The scheme must be http or https, not \"%s\".",
						pnstrdup(url, Min(scheme_end - url, SHOWN_URL_BYTES)));
	return psprintf("Include the scheme, as in \"https://%s\".", url_shown(url));
}

char *
pgnet_url_scheme_problem(const char *url)
{
	if (pg_strncasecmp(url, "http://", 7) == 0 ||
		pg_strncasecmp(url, "https://", 8) == 0)
		return NULL;
	return pgnet_url_problem(url);
}

char *
pgnet_url_encode(const char *text)
{
	char	   *utf8 = pg_server_to_any(text, strlen(text), PG_UTF8);

	/* an empty length means strlen() to curl_easy_escape */
	return take_string(curl_easy_escape(NULL, utf8, strlen(utf8)));
}

/* The URL with pairs appended, in its normal form, as UTF-8. */
static char *
url_normalize(const char *url, char **pairs, int npairs, char **problem)
{
	char	   *whole;
	CURLU	   *handle;
	CURLUcode	code;

	*problem = edge_problem(url);
	if (*problem != NULL)
		return NULL;
	whole = url_assemble(url, pairs, npairs);
	*problem = pgnet_url_length_problem(strlen(whole));
	if (*problem != NULL)
		return NULL;
	if (pgnet_url_is_endpoint(whole))
		return endpoint_finish(whole, url, problem);
	handle = curl_url();
	if (handle == NULL)
		ereport(ERROR, errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"));
	code = pgnet_url_parse(handle, whole);
	return url_finish(handle, code, url, problem);
}

/*
 * The URL of an endpoint, with the scheme in small letters and without the
 * fragment, or the problem.
 */
static char *
endpoint_finish(char *whole, const char *url, char **problem)
{
	EndpointUrl parts;
	const char *what = pgnet_endpoint_url_parse(whole, &parts);

	if (what != NULL)
	{
		*problem = psprintf("invalid URL \"%s\": it %s", url_shown(url), what);
		return NULL;
	}
	memcpy(whole, PGNET_ENDPOINT_SCHEME, strlen(PGNET_ENDPOINT_SCHEME));
	/* it would not be sent */
	whole[strcspn(whole, "#")] = '\0';
	return whole;
}

/*
 * Is there a blank at an end, pasted or read from a file?  It would be sent as
 * %20, to another path.  NULL if there is none.
 */
static char *
edge_problem(const char *url)
{
	const char *utf8 = to_utf8(url);
	size_t		last = strlen(utf8);
	const char *blank = blank_at(utf8, 0);
	bool		begins = blank != NULL;
	int			start = strspn(url, BLANKS);
	int			length = strlen(url + start);

	if (last == 0)
		return NULL;
	/* back to where the last character begins */
	do
		last--;
	while (last > 0 && ((unsigned char) utf8[last] & 0xC0) == 0x80);
	if (!begins)
		blank = blank_at(utf8, last);
	if (blank == NULL)
		return NULL;
	while (length > 0 && strchr(BLANKS, url[start + length - 1]) != NULL)
		length--;
	return psprintf("invalid URL \"%s\": it %s with %s",
					url_shown(pnstrdup(url + start, length)),
					begins ? "begins" : "ends", blank);
}

/* The name of the character at a place if it is invisible, else NULL. */
static const char *
blank_at(const char *utf8, size_t place)
{
	const unsigned char *start = (const unsigned char *) utf8 + place;
	int			length = pg_utf_mblen(start);
	pg_wchar	c = *start;

	if (IS_HIGHBIT_SET(c))
	{
		if (strnlen(utf8 + place, length) < (size_t) length ||
			!pg_utf8_islegal(start, length))
			return NULL;
		c = utf8_to_unicode(start);
	}
	if (c == ' ')
		return "a blank";
	if (c == '\t')
		return "a tab";
	if (c == '\n' || c == '\r')
		return "a line break";
	if (c == 0xA0 || c == 0xAD || (c >= 0x2000 && c <= 0x200F) ||
		(c >= 0x2028 && c <= 0x202F) || (c >= 0x205F && c <= 0x2064) ||
		c == 0x3000 || c == 0xFEFF)
		return psprintf("the invisible character U+%04X", c);
	return NULL;
}

/*
 * Insert pairs before the fragment.  Spaces and characters outside of ASCII
 * that follow the host become percent escapes of their UTF-8 bytes, as in the
 * address bar of a browser; existing escapes are not changed.
 */
static char *
url_assemble(const char *url, char **pairs, int npairs)
{
	const char *utf8 = to_utf8(url);
	size_t		length = strcspn(utf8, "#");
	size_t		authority = pgnet_url_authority_end(utf8);
	bool		has_query = memchr(utf8, '?', length) != NULL;
	StringInfoData whole;
	char		last;

	initStringInfo(&whole);
	for (size_t i = 0; i < length; i++)
	{
		if (i >= authority && (utf8[i] == ' ' || IS_HIGHBIT_SET(utf8[i])))
			appendStringInfo(&whole, "%%%02X", (unsigned char) utf8[i]);
		else
			appendStringInfoChar(&whole, utf8[i]);
	}
	for (int i = 0; i < npairs; i++)
	{
		last = whole.len > 0 ? whole.data[whole.len - 1] : '\0';
		if (!has_query)
			appendStringInfoChar(&whole, '?');
		else if (last != '?' && last != '&')
			appendStringInfoChar(&whole, '&');
		appendStringInfoString(&whole, pairs[i]);
		has_query = true;
	}
	appendStringInfoString(&whole, utf8 + length);
	return whole.data;
}

/*
 * Text of the database as UTF-8.  If that is not possible, text itself: a row
 * must not make the worker throw.
 */
static const char *
to_utf8(const char *text)
{
	int			from = GetDatabaseEncoding();
	int			length = strlen(text);
	Oid			procedure;
	char	   *utf8;

	if (from == PG_UTF8 || from == PG_SQL_ASCII ||
		!pg_verify_mbstr(from, text, length, true))
		return text;
	procedure = FindDefaultConversionProc(from, PG_UTF8);
	if (!OidIsValid(procedure))
		return text;
	utf8 = palloc((Size) length * MAX_CONVERSION_GROWTH + 1);
	if (pg_do_encoding_conversion_buf(procedure, from, PG_UTF8,
									  (unsigned char *) text, length,
									  (unsigned char *) utf8,
									  length * MAX_CONVERSION_GROWTH + 1,
									  true) != length)
		return text;
	return utf8;
}

/* Free the handle, and return the URL or set *problem. */
static char *
url_finish(CURLU *handle, CURLUcode code, const char *url, char **problem)
{
	char	   *whole = NULL;

	if (code == CURLUE_OK)
		code = curl_url_get(handle, CURLUPART_URL, &whole, 0);
	curl_url_cleanup(handle);
	if (code == CURLUE_OK)
		return take_string(whole);
	*problem = psprintf("invalid URL \"%s\": %s", url_shown(url),
						pgnet_words_of_url(code, url));
	return NULL;
}

/* url as a message may show it: bounded, and without a user's password. */
static char *
url_shown(const char *url)
{
	const char *shown = pgnet_url_masked(url);
	int			length = pg_mbcliplen(shown, strlen(shown), SHOWN_URL_BYTES);

	if (shown[length] == '\0')
		return pstrdup(shown);
	return psprintf("%s...", pnstrdup(shown, length));
}

/* Copy a string of libcurl's to the current memory context, and free it. */
static char *
take_string(char *from_libcurl)
{
	char	   *copy = NULL;

	if (from_libcurl != NULL)
		copy = pgnet_allocate_copy(CurrentMemoryContext, from_libcurl);
	curl_free(from_libcurl);
	if (copy == NULL)
		ereport(ERROR, errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"));
	return copy;
}
