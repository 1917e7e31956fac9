/*
 * checks.c -- what the constraints of our tables ask.
 *
 * Runs in: client backends.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "endpoint_url.h"
#include "policy/hosts.h"
#include "tables/policy/secrets.h"
#include "url.h"
#include "url_target.h"

PG_FUNCTION_INFO_V1(pgnet_is_host_pattern);
PG_FUNCTION_INFO_V1(pgnet_is_base_url);

static bool is_base_url(const char *url);

/* _is_host_pattern(pattern), strict */
Datum
pgnet_is_host_pattern(PG_FUNCTION_ARGS)
{
	char	   *pattern = text_to_cstring(PG_GETARG_TEXT_PP(0));

	PG_RETURN_BOOL(pgnet_host_pattern_valid(pattern));
}

/* _is_base_url(url), strict */
Datum
pgnet_is_base_url(PG_FUNCTION_ARGS)
{
	char	   *url = text_to_cstring(PG_GETARG_TEXT_PP(0));

	PG_RETURN_BOOL(is_base_url(url));
}

/*
 * An http or https URL as RFC 3986 has it, to which a path and a query can be
 * added, with secrets in its path and query only.  The host is one that a
 * secret can be for.
 */
static bool
is_base_url(const char *url)
{
	size_t		path = pgnet_url_path_start(url);
	const char *blank = pgnet_secrets_blank(url);
	const char *query;
	UrlTarget	target;

	if ((pg_strncasecmp(url, "http://", 7) != 0 &&
		 pg_strncasecmp(url, "https://", 8) != 0) ||
		memchr(url, '@', path) != NULL ||
		pgnet_url_path_start(blank) != path || strncmp(url, blank, path) != 0)
		return false;
	query = blank + strcspn(blank, "?");
	if (!pgnet_url_part_is_valid(pnstrdup(blank + path, query - blank - path),
								 false) ||
		(*query == '?' && !pgnet_url_part_is_valid(query + 1, true)))
		return false;
	return pgnet_url_problem(blank) == NULL &&
		pgnet_url_target(blank, &target);
}
