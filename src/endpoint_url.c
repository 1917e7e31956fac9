/*
 * endpoint_url.c -- net://name/path?query, the URL of a request to an endpoint.
 *
 * Runs in: every process.
 *
 * Whoever may use an endpoint must not come to other places of its server than
 * those below the base.  Proxies and servers undo percent escapes, take \ for /
 * and put . and .. out of a path; libcurl does some of that before.  So a path
 * that would mean another one to any of them is refused.
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "endpoint_url.h"

/* RFC 3986, section 3.3: pchar without the escapes, and the slash. */
#define PATH_CHARACTERS \
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789" \
	"-._~!$&'()*+,;=:@/"

static bool leaves_base(const char *path, size_t length);
static size_t decode(const char *from, size_t length, char *character);
static int	hex_digit(char c);
static bool has_unseen_character(const char *url);

bool
pgnet_url_is_endpoint(const char *url)
{
	return (*url == 'n' || *url == 'N') &&
		pg_strncasecmp(url, PGNET_ENDPOINT_SCHEME,
					   strlen(PGNET_ENDPOINT_SCHEME)) == 0;
}

const char *
pgnet_endpoint_url_parse(const char *url, EndpointUrl *parts)
{
	const char *name = url + strlen(PGNET_ENDPOINT_SCHEME);
	const char *path = name + strcspn(name, "/?#");
	const char *end = path + strcspn(path, "?#");
	bool		has_query = *end == '?';

	*parts = (EndpointUrl) {
		.name = name,
		.name_length = path - name,
		.path = path,
		.path_length = end - path,
		.query = has_query ? end + 1 : end,
		.query_length = has_query ? strcspn(end + 1, "#") : 0
	};
	if (parts->name_length == 0)
		return "has no name of an endpoint";
	if (memchr(name, '@', parts->name_length) != NULL)
		return "has a user, which is for the endpoint to say";
	if (memchr(name, ':', parts->name_length) != NULL)
		return "has a port, which is for the endpoint to say";
	if (has_unseen_character(url))
		return "has a blank or a control character";
	if (leaves_base(path, parts->path_length))
		return "has \".\" or \"..\" in its path, which could leave the endpoint";
	return NULL;
}

/*
 * Is a piece of a path, decoded, "." or ".."?  Some servers take what follows
 * a semicolon for parameters of the piece, and a zero for the end.
 */
static bool
leaves_base(const char *path, size_t length)
{
	size_t		dots = 0;
	bool		only_dots = true;

	for (size_t i = 0; i < length;)
	{
		char		character;

		i += decode(path + i, length - i, &character);
		/* which finds a zero, too */
		if (strchr("/\\;", character) != NULL)
		{
			if (only_dots && dots > 0 && dots <= 2)
				return true;
			dots = 0;
			only_dots = character != ';' && character != '\0';
		}
		else if (character == '.')
			dots++;
		else
			only_dots = false;
	}
	return only_dots && dots > 0 && dots <= 2;
}

/* The first character, which may be an escape; how many bytes that takes. */
static size_t
decode(const char *from, size_t length, char *character)
{
	*character = *from;
	if (*from != '%' || length < 3 || hex_digit(from[1]) < 0 ||
		hex_digit(from[2]) < 0)
		return 1;
	*character = (char) (hex_digit(from[1]) * 16 + hex_digit(from[2]));
	return 3;
}

/* The value of a hexadecimal digit, or -1 for any other character. */
static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char) pg_ascii_tolower((unsigned char) c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Has it a blank or a control character, but for its fragment? */
static bool
has_unseen_character(const char *url)
{
	for (const char *c = url; *c != '\0' && *c != '#'; c++)
		if ((unsigned char) *c <= ' ' || *c == 0x7F)
			return true;
	return false;
}

char *
pgnet_endpoint_url_join(const char *base, const EndpointUrl *parts)
{
	size_t		base_end = strcspn(base, "?");
	size_t		path_length = parts->path_length;
	bool		has_query = base[base_end] == '?' && base[base_end + 1] != '\0';
	StringInfoData joined;

	initStringInfo(&joined);
	appendBinaryStringInfo(&joined, base, (int) base_end);
	/* one slash between the two; a slash alone is no path */
	if (path_length > 1)
	{
		if (joined.data[joined.len - 1] == '/')
			joined.data[--joined.len] = '\0';
		appendBinaryStringInfo(&joined, parts->path, (int) path_length);
	}
	if (has_query)
		appendStringInfoString(&joined, base + base_end);
	if (parts->query_length > 0)
	{
		appendStringInfoChar(&joined, has_query ? '&' : '?');
		appendBinaryStringInfo(&joined, parts->query,
							   (int) parts->query_length);
	}
	return joined.data;
}

bool
pgnet_url_part_is_valid(const char *part, bool is_query)
{
	for (const char *c = part; *c != '\0'; c++)
	{
		if (*c == '%')
		{
			if (hex_digit(c[1]) < 0 || hex_digit(c[2]) < 0)
				return false;
		}
		else if (strchr(PATH_CHARACTERS, *c) == NULL &&
				 !(is_query && *c == '?'))
			return false;
	}
	return true;
}

size_t
pgnet_url_path_start(const char *url)
{
	const char *authority = strstr(url, "://");

	if (authority == NULL)
		return strlen(url);
	authority += strlen("://");
	return authority - url + strcspn(authority, "/?#");
}
