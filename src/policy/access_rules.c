/*
 * access_rules.c -- rules of who may send what to where.
 *
 * Runs in: every process.
 */
#include "postgres.h"

#include "policy/access_rules.h"
#include "policy/hosts.h"

static bool matches(const AccessRule *rule, const char *method,
					const UrlTarget *target);
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
		pgnet_host_matches(rule->host, target->host) &&
		matches_method(rule, method);
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
