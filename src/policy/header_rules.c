/*
 * header_rules.c -- which header fields a request may carry.
 *
 * Runs in: every process.
 *
 * A connection carries the requests of many roles, one after the other.  A
 * request that could say something wrong about where it ends, or about the
 * connection itself, could have its rest taken for the request of another.
 */
#include "postgres.h"

#include "policy/header_rules.h"

/* What a host and a port are made of (RFC 3986, section 3.2.2). */
#define HOST_CHARACTERS \
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789" \
	"-._~%[]:"

static bool is_host(const char *value);

/* Look at all fields. */
char *
pgnet_headers_problem(const HttpHeader *headers, int nheaders)
{
	bool		has_host = false;

	for (int i = 0; i < nheaders; i++)
	{
		char	   *problem = pgnet_header_problem(&headers[i]);

		if (problem != NULL)
			return problem;
		if (pg_strcasecmp(headers[i].name, "Host") != 0)
			continue;
		if (has_host)
			return pstrdup("HTTP header \"Host\" is there twice");
		if (!is_host(headers[i].value))
			return pstrdup("value of HTTP header \"Host\" is not a host");
		has_host = true;
	}
	return NULL;
}

/* RFC 9110, sections 7.6.1, 7.8, 8.6 and 10.1; RFC 9112, section 6.1. */
bool
pgnet_header_is_libcurls(const char *name)
{
	static const char *const names[] = {
		"connection", "content-length", "expect", "keep-alive",
		"proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"
	};
	char		first = (char) pg_ascii_tolower((unsigned char) *name);

	for (int i = 0; i < (int) lengthof(names); i++)
		if (*names[i] == first && pg_strcasecmp(name, names[i]) == 0)
			return true;
	return false;
}

/* Could a value be a host, with a port or without? */
static bool
is_host(const char *value)
{
	return *value != '\0' && value[strspn(value, HOST_CHARACTERS)] == '\0';
}
