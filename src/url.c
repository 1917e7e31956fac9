/*
 * url.c -- URLs, through libcurl's URL parser.
 *
 * Runs in: client backends and workers.  Nothing here throws while libcurl
 * holds memory: its objects are freed before an error leaves.
 */
#include "postgres.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <curl/curl.h>

#include "catalog/namespace.h"
#include "common/hashfn.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"

#include "exchange.h"
#include "url.h"
#include "words.h"

/* More than a scheme, a host name and a port can be. */
#define MAX_KEY_BYTES 300

/* What host names are made of, in small letters. */
#define HOST_CHARACTERS "abcdefghijklmnopqrstuvwxyz0123456789-_."

/* How much of a URL an error message shows. */
#define SHOWN_URL_BYTES 200

/* Blanks that ASCII has. */
#define BLANKS " \t\r\n"

static char *url_finish(CURLU *handle, CURLUcode code, const char *url,
						char **problem);
static CURLUcode url_parse(CURLU *handle, const char *url);
static CURLUcode unescape_host(CURLU *handle, const char *url);
static char *url_normalize(const char *url, char **pairs, int npairs,
						   char **problem);
static const char *to_utf8(const char *text);
static char *url_assemble(const char *url, char **pairs, int npairs);
static const char *authority_start(const char *url);
static inline bool is_scheme_character(char c);
static size_t add_default_port(char *key, size_t length);
static bool is_in_one_form(const char *key);
static inline char lower(char c);
static size_t authority_end(const char *url);
static bool copy_part(CURLU *handle, CURLUPart part, char *place, size_t size);
static bool normalize_host(char *host);
static bool password_has_slash(const char *authority);
static char *edge_problem(const char *url);
static const char *blank_at(const char *utf8, size_t place);
static char *url_shown(const char *url);
static char *take_string(char *from_libcurl);

/* Append params, encoded, to url's query. */
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

/* Append pairs, encoded already, to url's query. */
char *
pgnet_url_append(const char *url, char **pairs, int npairs, char **problem)
{
	char	   *utf8 = url_normalize(url, pairs, npairs, problem);

	/* all ASCII but perhaps for the host */
	return utf8 ? pg_any_to_server(utf8, strlen(utf8), PG_UTF8) : NULL;
}

/* Say what is wrong with url, if anything. */
char *
pgnet_url_problem(const char *url)
{
	char	   *problem = NULL;

	(void) url_normalize(url, NULL, 0, &problem);
	return problem;
}

/* Say how to write url. */
char *
pgnet_url_hint(const char *url)
{
	const char *scheme_end = url;

	while (is_scheme_character(*scheme_end))
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
		pg_strncasecmp(url, "https:", 6) == 0)
		return NULL;
	if (scheme_end > url && strncmp(scheme_end, "://", 3) == 0)
		return psprintf("The scheme must be http or https, not \"%s\".",
						pnstrdup(url, Min(scheme_end - url, SHOWN_URL_BYTES)));
	return psprintf("Include the scheme, as in \"https://%s\".", url_shown(url));
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
 * Hash scheme, host and port.  Mostly a scan is enough, and the parser not
 * worth its price; what may be written in several ways is left to it.
 */
uint64
pgnet_url_host_key(const char *url)
{
	char		key[MAX_KEY_BYTES + sizeof(":443")];
	size_t		end = authority_end(url);
	size_t		length = 0;
	UrlTarget	target;

	for (size_t i = 0; i < end; i++)
	{
		/* a user and password make no host of its own */
		if (url[i] == '@')
			length = 0;
		else if (length < MAX_KEY_BYTES)
			key[length++] = lower(url[i]);
	}
	key[length] = '\0';
	length = add_default_port(key, length);
	if (!is_in_one_form(key) && pgnet_url_target(url, &target))
		length = snprintf(key, sizeof(key), "%s://%s:%d", target.scheme,
						  target.host, target.port);
	return hash_bytes_extended((unsigned char *) key,
							   (int) Min(length, sizeof(key) - 1), 0);
}

/* Add the port to a key that ends with a host name; its length then. */
static size_t
add_default_port(char *key, size_t length)
{
	const char *host = strstr(key, "://");
	bool		tls = strncmp(key, "https:", 6) == 0;

	if (host == NULL || (!tls && strncmp(key, "http:", 5) != 0))
		return length;
	host += strlen("://");
	if (strspn(host, HOST_CHARACTERS) != strlen(host))
		return length;
	strcpy(key + length, tls ? ":443" : ":80");
	return strlen(key);
}

/*
 * Is this the form in which pgnet_url_target() gives scheme, host and port?  Of
 * what is written otherwise only the parser knows what it is the same as.
 */
static bool
is_in_one_form(const char *key)
{
	const char *host = strstr(key, "://");
	size_t		length;
	const char *port;
	char		text[INET_ADDRSTRLEN];
	struct in_addr address;

	if (host == NULL)
		return false;
	host += strlen("://");
	length = strspn(host, HOST_CHARACTERS);
	if (length == 0 || host[length] != ':' || host[length - 1] == '.')
		return false;
	port = host + length + 1;
	if (*port == '0' || *port == '\0' || strspn(port, "0123456789") != strlen(port))
		return false;
	if (!isdigit((unsigned char) *host))
		return true;
	/* an address may lack zeros, or be in other numbers than decimal ones */
	strlcpy(text, host, Min(length + 1, sizeof(text)));
	return inet_pton(AF_INET, text, &address) == 1;
}

/* What stands between the scheme, or the user, and the path. */
const char *
pgnet_url_host(const char *url, int *length)
{
	const char *start = authority_start(url);
	const char *end = url + authority_end(url);

	for (const char *c = start; c < end; c++)
		if (*c == '@')
			start = c + 1;
	*length = (int) Min(end - start, SHOWN_URL_BYTES);
	return start;
}

/*
 * Put asterisks in the place of what stands before the host.  libcurl takes
 * one slash, or three, for two; of what is no URL only the end is shown.
 */
const char *
pgnet_url_masked(const char *url)
{
	const char *at = strrchr(url, '@');
	const char *start;

	if (at == NULL)
		return url;
	start = authority_start(url);
	if (start > url && !password_has_slash(start))
	{
		at = start + strcspn(start, "/?#");
		while (at > start && *at != '@')
			at--;
		if (at == start)
			return url;
	}
	return psprintf("%.*s***%s", (int) (start - url), url, at);
}

/*
 * Was a slash, or the like, in a password not encoded?  Then what seems to be
 * the port, up to that slash, is no number.
 */
static bool
password_has_slash(const char *authority)
{
	size_t		length = strcspn(authority, "/?#");
	const char *host_end = memchr(authority, ']', length);
	const char *colon = host_end ? host_end : authority;

	if (memchr(authority, '@', length) != NULL)
		return false;
	colon = memchr(colon, ':', authority + length - colon);
	return colon != NULL &&
		colon + 1 + strspn(colon + 1, "0123456789") < authority + length;
}

/* Find where a URL leads. */
bool
pgnet_url_target(const char *url, UrlTarget *target)
{
	CURLU	   *handle = curl_url();
	char	   *port = NULL;
	bool		found;

	found = handle != NULL && url_parse(handle, url) == CURLUE_OK &&
		copy_part(handle, CURLUPART_SCHEME, target->scheme,
				  sizeof(target->scheme)) &&
		copy_part(handle, CURLUPART_HOST, target->host, sizeof(target->host)) &&
		curl_url_get(handle, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) ==
			CURLUE_OK;
	if (found)
		target->port = (int) strtol(port, NULL, 10);
	curl_free(port);
	curl_url_cleanup(handle);
	return found && normalize_host(target->host);
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
	handle = curl_url();
	if (handle == NULL)
		ereport(ERROR, errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"));
	code = url_parse(handle, whole);
	return url_finish(handle, code, url, problem);
}

/*
 * A blank at an end was pasted, or read from a file.  It would be sent, as
 * %20, to another path; NULL when there is none.
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

/* The name of the character at a place if nobody sees it, else NULL. */
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
 * Put pairs before the fragment.  Spaces and characters outside of ASCII that
 * stand behind the host become percent escapes of their UTF-8 bytes, as in
 * the address bar of a browser; escapes that are there stay as they are.
 */
static char *
url_assemble(const char *url, char **pairs, int npairs)
{
	const char *utf8 = to_utf8(url);
	size_t		length = strcspn(utf8, "#");
	size_t		authority = authority_end(utf8);
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
 * Text of the database as UTF-8; as it is where that is not possible, since
 * the worker must not stumble over a row.
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

/*
 * Where user, host and port begin: behind the scheme and its slashes, of which
 * libcurl takes one as well as two (lib/urlapi.c).
 */
static const char *
authority_start(const char *url)
{
	const char *scheme_end = url;

	while (is_scheme_character(*scheme_end))
		scheme_end++;
	if (*scheme_end != ':' || scheme_end[1] != '/')
		return url;
	return scheme_end + 1 + strspn(scheme_end + 1, "/");
}

/* RFC 3986, section 3.1. */
static inline bool
is_scheme_character(char c)
{
	char		letter = lower(c);

	return (letter >= 'a' && letter <= 'z') || (c >= '0' && c <= '9') ||
		c == '+' || c == '-' || c == '.';
}

/* A small letter in the place of a capital one of ASCII. */
static inline char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
}

/* Where scheme, user, host and port end. */
static size_t
authority_end(const char *url)
{
	const char *authority = authority_start(url);

	return authority - url + strcspn(authority, "/?#");
}

/* Parse url as an absolute http or https URL with a host. */
static CURLUcode
url_parse(CURLU *handle, const char *url)
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

/* Copy a part of a URL to a place of that size. */
static bool
copy_part(CURLU *handle, CURLUPart part, char *place, size_t size)
{
	char	   *value = NULL;
	bool		fits;

	if (curl_url_get(handle, part, &value, 0) != CURLUE_OK)
		return false;
	fits = strlcpy(place, value, size) < size;
	curl_free(value);
	return fits;
}

/* Bring a host to its one form. */
static bool
normalize_host(char *host)
{
	size_t		length = strlen(host);

	if (length > 1 && host[length - 1] == '.')
		host[--length] = '\0';
	for (size_t i = 0; i < length; i++)
	{
		if (IS_HIGHBIT_SET(host[i]) || (unsigned char) host[i] <= ' ')
			return false;
		host[i] = pg_ascii_tolower((unsigned char) host[i]);
	}
	return length > 0;
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

	if (memchr(url, '%', authority_end(url)) == NULL)
		return CURLUE_OK;
	code = curl_url_get(handle, CURLUPART_URL, &once, 0);
	if (code == CURLUE_OK)
		code = curl_url_set(handle, CURLUPART_URL, once, 0);
	curl_free(once);
	return code;
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
