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

static char *repeated_problem(const Field *headers, int nheaders);
static int	compare_names(const void *one, const void *other);
static bool is_host(const char *value);

/* Look at each field, then at all of them. */
char *
pgnet_headers_problem(const Field *headers, int nheaders)
{
	for (int i = 0; i < nheaders; i++)
	{
		char	   *problem = pgnet_header_problem(&headers[i]);

		if (problem != NULL)
			return problem;
		if (pg_strcasecmp(headers[i].name, "Host") == 0 &&
			!is_host(headers[i].value))
			return pstrdup("value of HTTP header \"Host\" is not a host");
	}
	return nheaders > 1 ? repeated_problem(headers, nheaders) : NULL;
}

/*
 * Is there a name in two spellings, of a field that is sent?  Servers differ in
 * which of the two they take (RFC 9110, section 5.3).  Names are sorted, as
 * there may be many.
 */
static char *
repeated_problem(const Field *headers, int nheaders)
{
	const Field **sorted = palloc(sizeof(Field *) * nheaders);
	char	   *problem = NULL;

	for (int i = 0; i < nheaders; i++)
		sorted[i] = &headers[i];
	qsort(sorted, nheaders, sizeof(Field *), compare_names);
	for (int i = 1; i < nheaders && problem == NULL; i++)
		if (pg_strcasecmp(sorted[i - 1]->name, sorted[i]->name) == 0 &&
			!pgnet_header_is_framing(sorted[i]->name))
			problem = psprintf("duplicate HTTP header \"%s\"",
							   sorted[i - 1]->name);
	pfree(sorted);
	return problem;
}

/* By name in any case, then by place. */
static int
compare_names(const void *one, const void *other)
{
	const Field *first = *(const Field *const *) one;
	const Field *second = *(const Field *const *) other;
	int			order = pg_strcasecmp(first->name, second->name);

	if (order != 0)
		return order;
	return (first > second) - (first < second);
}

/* RFC 9110, sections 7.6.1, 7.8, 8.6 and 10.1; RFC 9112, section 6.1. */
bool
pgnet_header_is_framing(const char *name)
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
