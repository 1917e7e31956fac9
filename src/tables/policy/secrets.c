/*
 * secrets.c -- net.secret: values that are put in when a request is sent.
 *
 * Runs in: client backends (may it be used?) and workers (what is it?).
 *
 * A row of the queue has the name of a secret only.  Its value leaves the
 * table for the memory of the worker, just before the request goes out, if
 * the role that asked may use it, and the request goes to the host and port
 * that the secret is for, by https unless the secret allows http.
 *
 * A secret without a value is looked up in Supabase Vault, through its view,
 * with the privileges of our owner.  The view must belong to a superuser: any
 * role that can create a schema could create a view of that name.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/syscache.h"

#include "endpoint_url.h"
#include "policy/header_rules.h"
#include "policy/hosts.h"
#include "tables/catalog.h"
#include "tables/policy/roles.h"
#include "tables/policy/secrets.h"
#include "tables/statement.h"
#include "text/json_fields.h"

/* What net.secret() writes before and after a name. */
#define BEFORE_NAME "${net.secret:"
#define AFTER_NAME "}"

/* The columns of find_secret, in order. */
enum
{
	SECRET_VALUE = 1,
	SECRET_ROLES,
	SECRET_HOST,
	SECRET_PORT,
	SECRET_ALLOW_HTTP
};

static PreparedStatement find_secret = {
	.sql = "SELECT s.value, s.roles, s.host, s.port, s.allow_http"
		   " FROM ONLY net.secret AS s WHERE s.name OPERATOR(pg_catalog.=) $1",
	.nparams = 1,
	.param_types = {TEXTOID}
};

static PreparedStatement find_in_vault = {
	.sql = "SELECT v.decrypted_secret::pg_catalog.text"
		   " FROM vault.decrypted_secrets AS v"
		   " WHERE v.name::pg_catalog.text OPERATOR(pg_catalog.=) $1",
	.nparams = 1,
	.param_types = {TEXTOID}
};

/* Who asks for secrets to send where, and what is wrong with that. */
typedef struct Lookup
{
	const SecretUse *use;
	bool		with_value;
	MemoryContext context;		/* of values and problems */
	char	   *problem;
} Lookup;

static char *fill_value(Lookup *lookup, const char *text);
static char *look_up(Lookup *lookup, char *name);
static char *read_secret(Lookup *lookup, const char *name,
						 StatementSession *session);
static char *read_value(Lookup *lookup, const char *name,
						StatementSession *session);
static bool may_use(const Lookup *lookup, ArrayType *roles);
static char *refuse(Lookup *lookup, const char *name, const char *problem);
static const char *misuse(const Lookup *lookup, const char *host, int port,
						  bool allow_http);
static bool names_host(const char *value, const UrlTarget *named);
static char *read_vault(Lookup *lookup, const char *name,
						StatementSession *session);
static bool has_vault(void);
static char *text_of(Lookup *lookup, const StatementSession *session,
					 int column);

char *
pgnet_secrets_problem(const QueueRow *row, const char *target)
{
	SecretUse	use = {
		.role = row->role,
		.url = target,
		.method = row->method
	};
	Lookup		lookup = {.use = &use, .context = CurrentMemoryContext};
	Field	   *headers;
	int			nheaders;
	char	   *unused;

	/* strings are in a jsonb as they are */
	if (row->headers == NULL ||
		memmem(row->headers, VARSIZE(row->headers), BEFORE_NAME,
			   strlen(BEFORE_NAME)) == NULL)
		return NULL;
	(void) pgnet_json_fields_read(row->headers, "headers", PGNET_ARRAYS_TEXT,
								  &headers, &nheaders, &unused);
	/* to an endpoint a request's own is not sent */
	if (!pgnet_url_is_endpoint(row->url))
		use.host_header = pgnet_headers_find(headers, nheaders, "Host");
	for (int i = 0; i < nheaders && lookup.problem == NULL; i++)
		(void) fill_value(&lookup, headers[i].value);
	return lookup.problem;
}

bool
pgnet_secrets_wanted(const Job *job)
{
	const HttpRequest *request = &job->request;

	for (int i = 0; i < request->nheaders; i++)
		if (pgnet_secrets_are_in(request->headers[i].value))
			return true;
	return false;
}

bool
pgnet_secrets_are_in(const char *text)
{
	return strchr(text, '$') != NULL && strstr(text, BEFORE_NAME) != NULL;
}

void
pgnet_secrets_fill(Job *job)
{
	HttpRequest *request = &job->request;
	SecretUse	use = {
		.role = job->role,
		.url = request->url,
		.host_header = pgnet_headers_find(request->headers,
										  request->nheaders, "Host"),
		.method = request->method
	};
	char	   *problem = NULL;
	MemoryContext before = MemoryContextSwitchTo(request->context);

	for (int i = 0; i < request->nheaders && problem == NULL; i++)
		request->headers[i].value =
			pgnet_secrets_fill_text(&use, request->headers[i].value, &problem);
	if (problem == NULL)
		problem = pgnet_headers_problem(request->headers, request->nheaders);
	if (problem != NULL)
		pgnet_job_fail(job, problem);
	request->carries_secret = true;
	MemoryContextSwitchTo(before);
}

char *
pgnet_secrets_blank(const char *text)
{
	StringInfoData blank;
	const char *start;

	initStringInfo(&blank);
	while ((start = strstr(text, BEFORE_NAME)) != NULL)
	{
		const char *end = strstr(start, AFTER_NAME);

		if (end == NULL)
			break;
		appendBinaryStringInfo(&blank, text, start - text);
		appendStringInfoChar(&blank, 'x');
		text = end + strlen(AFTER_NAME);
	}
	appendStringInfoString(&blank, text);
	return blank.data;
}

char *
pgnet_secrets_fill_text(const SecretUse *use, const char *text, char **problem)
{
	Lookup		lookup = {
		.use = use,
		.with_value = true,
		.context = CurrentMemoryContext
	};
	char	   *filled = fill_value(&lookup, text);

	if (lookup.problem != NULL)
		*problem = lookup.problem;
	return filled;
}

char *
pgnet_secrets_value(const char *name, char **problem)
{
	Datum		parameter = CStringGetTextDatum(name);
	Lookup		lookup = {.context = CurrentMemoryContext};
	StatementSession session;
	char	   *value = NULL;

	pgnet_statement_begin(&session, PGNET_AS_OWNER | PGNET_SPI | PGNET_LATEST);
	if (pgnet_statement_run(&session, &find_secret, &parameter, NULL) != 1)
		(void) refuse(&lookup, name, "does not exist");
	else
		value = read_value(&lookup, name, &session);
	pgnet_statement_end(&session);
	MemoryContextSwitchTo(lookup.context);
	if (value == NULL)
		*problem = lookup.problem;
	return value;
}

/* The text with the secrets it refers to; "" for those there is trouble with. */
static char *
fill_value(Lookup *lookup, const char *text)
{
	StringInfoData filled;
	const char *start;

	initStringInfo(&filled);
	while ((start = strstr(text, BEFORE_NAME)) != NULL)
	{
		const char *name = start + strlen(BEFORE_NAME);
		size_t		length = strcspn(name, AFTER_NAME);

		if (name[length] == '\0')
			break;
		appendBinaryStringInfo(&filled, text, start - text);
		appendStringInfoString(&filled,
							   look_up(lookup, pnstrdup(name, length)));
		text = name + length + strlen(AFTER_NAME);
	}
	appendStringInfoString(&filled, text);
	return filled.data;
}

/* The value of a secret; "", and a problem, when it may not be used. */
static char *
look_up(Lookup *lookup, char *name)
{
	StatementSession session;
	char	   *value;

	pgnet_statement_begin(&session, PGNET_AS_OWNER | PGNET_SPI | PGNET_LATEST);
	value = read_secret(lookup, name, &session);
	pgnet_statement_end(&session);
	MemoryContextSwitchTo(lookup->context);
	return value ? value : "";
}

/* The value of a secret, or NULL.  That it exists is for its users to know. */
static char *
read_secret(Lookup *lookup, const char *name, StatementSession *session)
{
	Datum		parameter = CStringGetTextDatum(name);
	Datum		roles = 0;
	int			port;
	bool		allow_http;
	const char *problem;
	char	   *value;
	bool		null = true;

	if (pgnet_statement_run(session, &find_secret, &parameter, NULL) == 1)
		roles = pgnet_statement_datum(session, 0, SECRET_ROLES, &null);
	if (null || !may_use(lookup, DatumGetArrayTypeP(roles)))
		return refuse(lookup, name, "does not exist or is not granted to this role");
	port = pgnet_statement_int32(session, 0, SECRET_PORT, 0);
	allow_http = pgnet_statement_bool(session, 0, SECRET_ALLOW_HTTP, false);
	problem = misuse(lookup, text_of(lookup, session, SECRET_HOST), port,
					 allow_http);
	if (problem != NULL)
		return refuse(lookup, name, problem);
	if (!lookup->with_value)
		return NULL;
	value = read_value(lookup, name, session);
	/* PEM is for the certificates of endpoints */
	if (value != NULL && strpbrk(value, "\r\n") != NULL)
		return refuse(lookup, name, "is not a single line");
	return value;
}

/* The value of the row that was found, which may be in Vault; or NULL. */
static char *
read_value(Lookup *lookup, const char *name, StatementSession *session)
{
	char	   *value = text_of(lookup, session, SECRET_VALUE);

	if (value == NULL)
		value = read_vault(lookup, name, session);
	return value ? value : refuse(lookup, name, "has no value");
}

/* Has the role the rights?  It needs none for what the owner refers to. */
static bool
may_use(const Lookup *lookup, ArrayType *roles)
{
	return lookup->use->as_owner ||
		pgnet_roles_include(lookup->use->role, roles);
}

/* Say what the trouble is. */
static char *
refuse(Lookup *lookup, const char *name, const char *problem)
{
	MemoryContextSwitchTo(lookup->context);
	lookup->problem = psprintf("secret \"%s\" %s", name, problem);
	return NULL;
}

/*
 * Why the request does not go where the secret is for, or NULL.  The server
 * goes by the Host header, if there is one, so it has to name that place, too.
 * A port of 0 is the default of the scheme.  The response to TRACE has what was
 * sent (RFC 9110, section 9.3.8), and the role would see the value there.
 */
static const char *
misuse(const Lookup *lookup, const char *host, int port, bool allow_http)
{
	UrlTarget	target;
	UrlTarget	named;
	bool		https;

	if (!pgnet_url_target(lookup->use->url, &target) ||
		!pgnet_host_matches(host, target.host))
		return "is not for this host";
	https = strcmp(target.scheme, "https") == 0;
	if (port == 0)
		port = https ? 443 : 80;
	if (target.port != port)
		return "is not for this port";
	if (!https && !allow_http)
		return "is not for http";
	if (pg_strcasecmp(lookup->use->method, "TRACE") == 0)
		return "is not for TRACE";
	if (lookup->use->host_header == NULL)
		return NULL;
	if (!pgnet_host_named(lookup->use->host_header, &target, &named) ||
		!names_host(lookup->use->host_header, &named) ||
		!pgnet_host_matches(host, named.host))
		return "is not for this host";
	return named.port == port ? NULL : "is not for this port";
}

/*
 * Does the value of a Host header have the host as it was understood?  What a
 * server makes of escapes, and of other ways to write an address, is unknown.
 */
static bool
names_host(const char *value, const UrlTarget *named)
{
	size_t		length = strlen(named->host);

	return pg_strncasecmp(value, named->host, length) == 0 &&
		(value[length] == '\0' || value[length] == ':');
}

/* The value of a secret of Vault, or NULL. */
static char *
read_vault(Lookup *lookup, const char *name, StatementSession *session)
{
	Datum		value = CStringGetTextDatum(name);

	if (!has_vault())
		return NULL;
	if (pgnet_statement_run(session, &find_in_vault, &value, NULL) != 1)
		return NULL;
	return text_of(lookup, session, 1);
}

/*
 * Is there a view of Vault, made by somebody who may do everything anyway?
 * Locks it, so that it stays the one that was looked at.
 */
static bool
has_vault(void)
{
	Oid			schema = get_namespace_oid("vault", true);
	Oid			view = InvalidOid;
	HeapTuple	tuple;
	bool		trusted;

	if (OidIsValid(schema))
		view = RangeVarGetRelid(makeRangeVar("vault", "decrypted_secrets", -1),
								AccessShareLock, true);
	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(view));
	if (!HeapTupleIsValid(tuple))
		return false;
	trusted = superuser_arg(((Form_pg_class) GETSTRUCT(tuple))->relowner);
	ReleaseSysCache(tuple);
	return trusted;
}

/* A text column of what was found, copied for the request; NULL for null. */
static char *
text_of(Lookup *lookup, const StatementSession *session, int column)
{
	MemoryContextSwitchTo(lookup->context);
	return pgnet_statement_text(session, 0, column);
}
