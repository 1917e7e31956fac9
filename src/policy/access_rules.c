/*
 * access_rules.c -- rules of who may send what to where.
 *
 * Runs in: every process.
 */
#include "postgres.h"

#include "policy/access_rules.h"

static bool matches(const AccessRule *rule, const char *method,
					const UrlTarget *target);
static bool matches_host(const char *pattern, const char *host);
static bool matches_method(const AccessRule *rule, const char *method);

/* Find the first rule that matches. */
bool
pgnet_access_allows(const AccessRules *rules, const char *method,
					const UrlTarget *target, int *rule)
{
	for (int i = 0; i < rules->count; i++)
	{
		if (!matches(&rules->items[i], method, target))
			continue;
		*rule = rules->items[i].position;
		return rules->items[i].allow;
	}
	*rule = PGNET_NO_RULE;
	return false;
}

/* Judge a URL. */
bool
pgnet_access_allows_url(const AccessRules *rules, const char *method,
						const char *url)
{
	UrlTarget	target;
	int			rule;

	return pgnet_url_target(url, &target) &&
		pgnet_access_allows(rules, method, &target, &rule);
}

/* Is a rule about this request? */
static bool
matches(const AccessRule *rule, const char *method, const UrlTarget *target)
{
	if (rule->scheme != NULL && strcmp(rule->scheme, target->scheme) != 0)
		return false;
	return target->port >= rule->min_port && target->port <= rule->max_port &&
		matches_host(rule->host, target->host) && matches_method(rule, method);
}

/* "*.name" is every name below, and not the name itself. */
static bool
matches_host(const char *pattern, const char *host)
{
	size_t		suffix_length;
	size_t		length = strlen(host);

	if (strcmp(pattern, "*") == 0)
		return true;
	if (*pattern != '*')
		return pg_strcasecmp(pattern, host) == 0;
	suffix_length = strlen(pattern) - 1;
	return length > suffix_length &&
		pg_strcasecmp(host + length - suffix_length, pattern + 1) == 0;
}

/* Methods written by hand may be in small letters, and are sent in capitals. */
static bool
matches_method(const AccessRule *rule, const char *method)
{
	for (int i = 0; i < rule->nmethods; i++)
		if (pg_strcasecmp(rule->methods[i], method) == 0)
			return true;
	return rule->methods == NULL;
}
