/*
 * access_rule_rows.c -- net.access_rule: who may send what to where.
 *
 * Runs in: client backends and workers, inside a transaction.
 *
 * The rows are read once and kept until a trigger of the table, whichever
 * session it fires in, has every session forget what it knows of the table.
 * They are read as they are now, not as an old snapshot of the transaction
 * shows them.
 *
 * A rule has the name of a role, which is looked up whenever the rule is used:
 * it is kept wherever a dump of the table is restored, and a name without a
 * role matches nobody.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

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
		   " FROM net.access_rule AS r ORDER BY r.position",
};

/*
 * All rules and their roles, NULL for every role, in a context of their own,
 * as of a number of changes.
 */
static AccessRules known;
static char **known_roles;
static MemoryContext known_context;
static uint64 known_as_of;

static bool have_rules(void);
static void read_rules(void);
static void copy_rule(int row, AccessRule *rule);
static char *text_column(int row, int number);
static Datum column(int row, int number, bool *null);
static AccessRules *rules_of(Oid role);
static bool is_member(Oid role, const char *of);
static char *problem_with(const AccessRules *rules, const char *method,
						  const char *url, const char *host, char **detail);

/* Look at a row to be. */
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

/* Look at a request of the queue. */
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
	CatalogUser before = pgnet_catalog_become_owner();
	Snapshot	snapshot;
	MemoryContext context;
	AccessRules rules;
	char	  **roles;

	pgnet_plans_connect();
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	pgnet_plan_run_as_of(&find_rules, NULL, snapshot);

	context = AllocSetContextCreate(CurrentMemoryContext,
									"pg_net access rules",
									ALLOCSET_SMALL_SIZES);
	MemoryContextSwitchTo(context);
	rules.count = (int) SPI_processed;
	rules.items = palloc0(sizeof(AccessRule) * (rules.count + 1));
	roles = palloc0(sizeof(char *) * (rules.count + 1));
	for (int i = 0; i < rules.count; i++)
	{
		copy_rule(i, &rules.items[i]);
		roles[i] = text_column(i, RULE_ROLE);
	}

	if (known_context != NULL)
		MemoryContextDelete(known_context);
	MemoryContextSetParent(context, TopMemoryContext);
	known_context = context;
	known = rules;
	known_roles = roles;
	UnregisterSnapshot(snapshot);
	pgnet_plans_finish();
	pgnet_catalog_become(before);
}

/* Copy a row of find_rules. */
static void
copy_rule(int row, AccessRule *rule)
{
	Datum		value;
	bool		null;

	rule->position = DatumGetInt32(column(row, RULE_POSITION, &null));
	rule->allow = DatumGetBool(column(row, RULE_ALLOW, &null));
	rule->scheme = text_column(row, RULE_SCHEME);
	rule->host = text_column(row, RULE_HOST);
	value = column(row, RULE_MIN_PORT, &null);
	rule->min_port = null ? 0 : DatumGetInt32(value);
	value = column(row, RULE_MAX_PORT, &null);
	rule->max_port = null ? PG_INT32_MAX : DatumGetInt32(value) - 1;
	value = column(row, RULE_METHODS, &null);
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

/* A column that is text, copied; NULL for null. */
static char *
text_column(int row, int number)
{
	bool		null;
	Datum		value = column(row, number, &null);

	return null ? NULL : TextDatumGetCString(value);
}

/* A column of find_rules. */
static Datum
column(int row, int number, bool *null)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, number,
						 null);
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
		*detail = pstrdup("Where there are access rules, a host has to be a name of ASCII characters, or an address.");
		return pstrdup("the host of the request cannot be judged");
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
