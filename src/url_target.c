/*
 * url_target.c -- where a URL leads.
 *
 * Runs in: client backends and workers.  Nothing here throws, but for
 * pgnet_url_masked() and pgnet_url_target_init().
 */
#include "postgres.h"

#include <arpa/inet.h>
#include <ctype.h>

#include "common/hashfn.h"

#include "endpoint_url.h"
#include "url_parser.h"
#include "url_target.h"

/* More than a scheme, a host name and a port can be. */
#define MAX_KEY_BYTES 300

/* What host names are made of, in small letters. */
#define HOST_CHARACTERS "abcdefghijklmnopqrstuvwxyz0123456789-_."

/* How much of a host an error message shows. */
#define SHOWN_HOST_BYTES 200

/*
 * Of the hashes of hosts and of the names of endpoints: the same in all
 * processes of a server, which the postmaster forks, and known to nobody.
 */
static uint64 host_seed = 0;
static uint64 endpoint_seed = 1;

static bool copy_part(CURLU *handle, CURLUPart part, char *place, size_t size);
static bool normalize_host(char *host);
static size_t add_default_port(char *key, size_t length);
static bool is_in_one_form(const char *key);
static bool password_has_slash(const char *authority);

void
pgnet_url_target_init(void)
{
	if (!pg_strong_random(&host_seed, sizeof(host_seed)) ||
		!pg_strong_random(&endpoint_seed, sizeof(endpoint_seed)))
		ereport(ERROR,
				errcode(ERRCODE_INTERNAL_ERROR),
				errmsg("could not generate random values"));
}

bool
pgnet_url_target(const char *url, UrlTarget *target)
{
	CURLU	   *handle = curl_url();
	char	   *port = NULL;
	bool		found;

	found = handle != NULL && pgnet_url_parse(handle, url) == CURLUE_OK &&
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

/* Bring a host to its one form; false if it is empty or not ASCII. */
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
 * Mostly a scan of the characters is enough.  The parser costs more, and is
 * used where the same target can be written in several ways.
 */
uint64
pgnet_url_host_key(const char *url)
{
	char		key[MAX_KEY_BYTES + sizeof(":443")];
	size_t		end = pgnet_url_authority_end(url);
	size_t		length = 0;
	UrlTarget	target;

	/* two of one host are two, and names count as they are written */
	if (pgnet_url_is_endpoint(url))
		return hash_bytes_extended((const unsigned char *) url +
									   strlen(PGNET_ENDPOINT_SCHEME),
								   (int) (end - strlen(PGNET_ENDPOINT_SCHEME)),
								   endpoint_seed);
	for (size_t i = 0; i < end; i++)
	{
		/* user and password are not part of the target */
		if (url[i] == '@')
			length = 0;
		else if (length < MAX_KEY_BYTES)
			key[length++] = pgnet_url_lower(url[i]);
	}
	key[length] = '\0';
	length = add_default_port(key, length);
	if (!is_in_one_form(key) && pgnet_url_target(url, &target))
		length = snprintf(key, sizeof(key), "%s://%s:%d", target.scheme,
						  target.host, target.port);
	return hash_bytes_extended((unsigned char *) key,
							   (int) Min(length, sizeof(key) - 1), host_seed);
}

/* Add the port to a key that ends with a host name.  Returns its length. */
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

/* Is this the form in which pgnet_url_target() gives scheme, host and port? */
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

const char *
pgnet_url_host(const char *url, int *length)
{
	const char *start = pgnet_url_authority(url);
	const char *end = url + pgnet_url_authority_end(url);

	for (const char *c = start; c < end; c++)
		if (*c == '@')
			start = c + 1;
	*length = (int) Min(end - start, SHOWN_HOST_BYTES);
	return start;
}

/*
 * Asterisks replace what stands before the host.  libcurl accepts one slash, or
 * three, for two.  If it is not a URL, only its end is shown.
 */
const char *
pgnet_url_masked(const char *url)
{
	const char *at = strrchr(url, '@');
	const char *start;

	if (at == NULL)
		return url;
	start = pgnet_url_authority(url);
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
 * Does a password contain a slash that was not encoded?  Then what seems to be
 * the port, up to that slash, is not a number.
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
