/*
 * hosts.c -- host names, patterns of them, and hosts that are addresses.
 *
 * Runs in: every process.
 *
 * Rules, secrets and routes all name hosts by patterns, and all of them are
 * compared here.
 */
#include "postgres.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "policy/hosts.h"

/* What the labels of a name are made of, and an IPv6 address. */
#define LABEL_CHARACTERS \
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"

static bool is_name(const char *name);
static bool same_address(const char *one, const char *other);

/* Read a pattern. */
bool
pgnet_host_pattern_valid(const char *pattern)
{
	uint8		address[PGNET_ADDRESS_BYTES];

	if (strcmp(pattern, "*") == 0)
		return true;
	if (*pattern == '[')
		return pgnet_host_address(pattern, address) == AF_INET6;
	if (strncmp(pattern, "*.", 2) == 0)
		pattern += 2;
	return is_name(pattern);
}

/* Compare a host with a pattern. */
bool
pgnet_host_matches(const char *pattern, const char *host)
{
	size_t		suffix_length;
	size_t		length;

	if (strcmp(pattern, "*") == 0)
		return true;
	if (*pattern != '*')
		return pg_strcasecmp(pattern, host) == 0 || same_address(pattern, host);
	/* the dot belongs to the suffix, and something has to stand before it */
	suffix_length = strlen(pattern) - 1;
	length = strlen(host);
	return length > suffix_length &&
		pg_strcasecmp(host + length - suffix_length, pattern + 1) == 0;
}

/*
 * Read an address.  inet_aton() takes the numbers that browsers and libcurl
 * take for IPv4 addresses: fewer than four, in hexadecimal and octal.
 */
int
pgnet_host_address(const char *host, uint8 address[PGNET_ADDRESS_BYTES])
{
	char		text[INET6_ADDRSTRLEN];
	struct in_addr v4;
	size_t		length;

	if (*host >= '0' && *host <= '9')
	{
		if (inet_aton(host, &v4) == 0)
			return 0;
		memcpy(address, &v4, sizeof(v4));
		return AF_INET;
	}
	length = strlen(host);
	if (length < 2 || *host != '[' || host[length - 1] != ']' ||
		length - 2 >= sizeof(text))
		return 0;
	memcpy(text, host + 1, length - 2);
	text[length - 2] = '\0';
	return inet_pton(AF_INET6, text, address) == 1 ? AF_INET6 : 0;
}

/* Take the value for the authority of a URL. */
bool
pgnet_host_named(const char *value, const UrlTarget *target, UrlTarget *named)
{
	const char *colon = strrchr(value, ':');
	bool		has_port = colon != NULL && strchr(colon, ']') == NULL;

	if (!pgnet_url_target(psprintf("%s://%s", target->scheme, value), named))
		return false;
	if (!has_port)
		named->port = target->port;
	return true;
}

/* Is it one label or more, with dots between? */
static bool
is_name(const char *name)
{
	while (true)
	{
		size_t		length = strspn(name, LABEL_CHARACTERS);

		if (length == 0)
			return false;
		name += length;
		if (*name == '\0')
			return true;
		if (*name++ != '.')
			return false;
	}
}

/* Are both the same address? */
static bool
same_address(const char *one, const char *other)
{
	uint8		first[PGNET_ADDRESS_BYTES];
	uint8		second[PGNET_ADDRESS_BYTES];
	int			family = pgnet_host_address(one, first);

	return family != 0 && pgnet_host_address(other, second) == family &&
		memcmp(first, second, family == AF_INET ? 4 : 16) == 0;
}
