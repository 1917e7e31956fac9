/*
 * access_rules.h -- rules of who may send what to where.
 *
 * Runs in: every process.  Nothing here throws, and nothing needs a
 * transaction: the rules of one role are plain values, which go with its
 * requests.
 */
#ifndef PGNET_ACCESS_RULES_H
#define PGNET_ACCESS_RULES_H

#include "postgres.h"

#include "url_target.h"

/* One row of net.access_rule but its role; NULL where every one is meant. */
typedef struct AccessRule
{
	int			position;
	bool		allow;
	const char *scheme;
	const char *host;			/* see pgnet_host_matches() */
	int			min_port;
	int			max_port;
	const char **methods;		/* NULL: all */
	int			nmethods;
} AccessRule;

/* Rules in order. */
typedef struct AccessRules
{
	int			count;
	AccessRule *items;
} AccessRules;

/* No rule matched. */
#define PGNET_NO_RULE (-1)

/*
 * May a request go there?  The first rule that matches decides, whatever its
 * role; *rule is its position.  Where none matches, it is PGNET_NO_RULE, and
 * the answer no.
 */
extern bool pgnet_access_allows(const AccessRules *rules, const char *method,
								const UrlTarget *target, int *rule);

/* The same for a URL; no when it has no target. */
extern bool pgnet_access_allows_url(const AccessRules *rules,
									const char *method, const char *url);

#endif							/* PGNET_ACCESS_RULES_H */
