/*
 * method.c -- what is known of the methods of HTTP.
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include "http/method.h"

/* Methods are case-sensitive, but rows written by hand may say "get". */
const char *
pgnet_method_canonical(const char *method)
{
	static const char *const known[] = {
		"GET", "POST", "DELETE", "HEAD", "PUT", "PATCH"
	};

	for (int i = 0; i < (int) lengthof(known); i++)
		if (pg_strcasecmp(method, known[i]) == 0)
			return known[i];
	return method;
}

/* Those whose body is what they are about. */
bool
pgnet_method_expects_body(const char *method)
{
	static const char *const known[] = {"POST", "PUT", "PATCH"};

	for (int i = 0; i < (int) lengthof(known); i++)
		if (pg_strcasecmp(method, known[i]) == 0)
			return true;
	return false;
}
