/*
 * access_rule_rows.c -- net.access_rule: who may send what to where.
 *
 * Runs in: client backends and workers, inside a transaction.
 *
 * The rows are read once and kept until a trigger of the table, in whichever
 * session, sends an invalidation.  They are read with the latest snapshot, not
 * with that of the transaction.
 *
 * A rule stores the name of a role, which is looked up whenever the rule is
 * used: so it survives dump and restore.  A name without a role matches nobody.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "policy/access_rules.h"
#include "policy/hosts.h"
#include "tables/catalog.h"
#include "tables/policy/access_rule_rows.h"
#include "tables/statement.h"
#include "text/json_fields.h"

/* The columns of find_rules, in order. */
enum
{
	RULE_POSITION = 1,
	RULE_ALLOW,
	RULE_ROLE,
	RULE_SCHEME,
	RULE_HOST,
	RULE_MIN_PORT,
	RULE_MAX_PORT,
	RULE_METHODS
};

static PreparedStatement find_rules = {
	.sql = "SELECT r.position, r.allow, r.role::pg_catalog.text, r.scheme,"
		   " r.host,"
		   " pg_catalog.lower(r.ports), pg_catalog.upper(r.ports), r.methods"
		   " FROM ONLY net.access_rule AS r ORDER BY r.position",
};

/*
 * All rules and their roles (NULL: every role), in a memory context of their
 * own, as they were at that pgnet_catalog_rule_changes().
 */
static AccessRules known;
static char **known_roles;
static MemoryContext known_context;
static uint64 known_as_of;

static bool have_rules(void);
static void read_rules(void);
static void copy_rule(const StatementSession *session, int row,
					  AccessRule *rule);
static AccessRules *rules_of(Oid role);
static bool is_member(Oid role, const char *of);
static char *problem_with(const AccessRules *rules, const char *method,
						  const char *url, const char *host, char **detail);

char *
pgnet_access_problem(const QueueRow *row, bool rule_required, char **detail)
{
	char	   *unused;
	Field	   *headers;
	int			nheaders;

	if (!have_rules() && !rule_required)
		return NULL;
	(void) pgnet_json_fields_read(row->headers, "headers", PGNET_ARRAYS_TEXT,
								  &headers, &nheaders, &unused);
	return problem_with(rules_of(row->role), row->method, row->url,
						pgnet_headers_find(headers, nheaders, "Host"), detail);
}

void
pgnet_access_apply(Job *job, bool rule_required)
{
	HttpRequest *request = &job->request;
	AccessRules *rules;
	MemoryContext before;
	const char *host;
	char	   *problem;
	char	   *detail;

	if (!have_rules() && !rule_required)
		return;
	before = MemoryContextSwitchTo(request->context);
	rules = rules_of(job->role);
	host = pgnet_headers_find(request->headers, request->nheaders, "Host");
	problem = problem_with(rules, request->method, request->url, host, &detail);
	if (problem != NULL)
		pgnet_job_fail(job, psprintf("%s: %s", problem, detail));
	request->access_rules = rules;
	MemoryContextSwitchTo(before);
}

/* Is there any rule?  Reads them if they may have changed. */
static bool
have_rules(void)
{
	uint64		as_of;

	while ((as_of = pgnet_catalog_rule_changes()) != known_as_of)
	{
		if (pgnet_catalog_has_no_rules())
			known.count = 0;
		else
			read_rules();
		known_as_of = as_of;
	}
	return known.count > 0;
}

/* Read all rules. */
static void
read_rules(void)
{
	StatementSession session;
	MemoryContext context;
	MemoryContext before;
	AccessRules rules;
	char	  **roles;

	pgnet_statement_begin(&session, PGNET_AS_OWNER | PGNET_SPI | PGNET_LATEST);
	rules.count = pgnet_statement_run(&session, &find_rules, NULL, NULL);

	context = AllocSetContextCreate(CurrentMemoryContext,
									"pg_net access rules",
									ALLOCSET_SMALL_SIZES);
	before = MemoryContextSwitchTo(context);
	rules.items = palloc0(sizeof(AccessRule) * (rules.count + 1));
	roles = palloc0(sizeof(char *) * (rules.count + 1));
	for (int i = 0; i < rules.count; i++)
	{
		copy_rule(&session, i, &rules.items[i]);
		roles[i] = pgnet_statement_text(&session, i, RULE_ROLE);
	}
	MemoryContextSwitchTo(before);

	if (known_context != NULL)
		MemoryContextDelete(known_context);
	MemoryContextSetParent(context, TopMemoryContext);
	known_context = context;
	known = rules;
	known_roles = roles;
	pgnet_statement_end(&session);
}

/* Copy a row of find_rules. */
static void
copy_rule(const StatementSession *session, int row, AccessRule *rule)
{
	Datum		value;
	bool		null;

	rule->position = pgnet_statement_int32(session, row, RULE_POSITION, 0);
	rule->allow = pgnet_statement_bool(session, row, RULE_ALLOW, false);
	rule->scheme = pgnet_statement_text(session, row, RULE_SCHEME);
	rule->host = pgnet_statement_text(session, row, RULE_HOST);
	rule->min_port = pgnet_statement_int32(session, row, RULE_MIN_PORT, 0);
	value = pgnet_statement_datum(session, row, RULE_MAX_PORT, &null);
	rule->max_port = null ? PG_INT32_MAX : DatumGetInt32(value) - 1;
	value = pgnet_statement_datum(session, row, RULE_METHODS, &null);
	if (!null)
	{
		Datum	   *methods;

		deconstruct_array(DatumGetArrayTypeP(value), TEXTOID, -1, false,
						  TYPALIGN_INT, &methods, NULL, &rule->nmethods);
		rule->methods = palloc(sizeof(char *) * (rule->nmethods + 1));
		for (int i = 0; i < rule->nmethods; i++)
			rule->methods[i] = TextDatumGetCString(methods[i]);
	}
}

/*
 * The rules for a role, copied: those for every role, for it and for those it
 * is a member of.
 */
static AccessRules *
rules_of(Oid role)
{
	AccessRules *rules = palloc(sizeof(AccessRules));

	rules->items = palloc(sizeof(AccessRule) * known.count);
	rules->count = 0;
	for (int i = 0; i < known.count; i++)
	{
		const AccessRule *from = &known.items[i];
		AccessRule *to = &rules->items[rules->count];

		if (known_roles[i] != NULL && !is_member(role, known_roles[i]))
			continue;
		*to = *from;
		to->scheme = from->scheme ? pstrdup(from->scheme) : NULL;
		to->host = pstrdup(from->host);
		if (from->methods != NULL)
			to->methods = palloc(sizeof(char *) * (from->nmethods + 1));
		for (int m = 0; from->methods != NULL && m < from->nmethods; m++)
			to->methods[m] = pstrdup(from->methods[m]);
		rules->count++;
	}
	return rules;
}

/*
 * Is a role a member of the one of that name, if there is one?  As in
 * pg_hba.conf, superusers are members only of what they were granted.
 */
static bool
is_member(Oid role, const char *of)
{
	Oid			group = get_role_oid(of, true);

	return OidIsValid(group) && is_member_of_role_nosuper(role, group);
}

/*
 * What is wrong with a request, by its URL, and by the host it says that it is
 * for: servers go by that one.
 */
static char *
problem_with(const AccessRules *rules, const char *method, const char *url,
			 const char *host, char **detail)
{
	UrlTarget	target;
	UrlTarget	named;
	int			rule;

	if (!pgnet_url_target(url, &target) ||
		(host != NULL && !pgnet_host_named(host, &target, &named)))
	{
		*detail = pstrdup("While net.access_rule has rules, the host must be an ASCII name or an address.");
		return pstrdup("cannot check the host of the request against net.access_rule");
	}
	if (pgnet_access_allows(rules, method, &target, &rule))
	{
		if (host == NULL)
			return NULL;
		/* connected to is the port of the URL */
		named.port = target.port;
		if (pgnet_access_allows(rules, method, &named, &rule))
			return NULL;
		target = named;
	}
	*detail = rule == PGNET_NO_RULE ?
		pstrdup("No rule of net.access_rule allows it.") :
		psprintf("Rule %d of net.access_rule denies it.", rule);
	return psprintf("%s requests to %s://%s:%d are not allowed for this role",
					method, target.scheme, target.host, target.port);
}
