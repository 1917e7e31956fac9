/*
 * endpoints.c -- net.endpoint: where and how net://name is sent.
 *
 * Runs in: client backends and workers.
 *
 * A row is read when it is used, and kept until a trigger of the table,
 * whichever session it fires in, has every session forget what it knows of the
 * table.  It is read as it is now, not as an old snapshot of the transaction
 * shows it.  Rights are looked up each time.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "endpoint_url.h"
#include "policy/header_rules.h"
#include "policy/retry.h"
#include "policy/signing.h"
#include "tables/catalog.h"
#include "tables/policy/endpoints.h"
#include "tables/policy/message_headers.h"
#include "tables/policy/roles.h"
#include "tables/policy/secrets.h"
#include "tables/queue/attempt_log.h"
#include "tables/statement.h"
#include "text/json_fields.h"
#include "url.h"

/* The columns of find_endpoint, in order. */
enum
{
	ENDPOINT_URL = 1,
	ENDPOINT_ROLES,
	ENDPOINT_METHODS,
	ENDPOINT_HEADERS,
	ENDPOINT_TIMEOUT,
	ENDPOINT_RETRY,
	ENDPOINT_RETRY_ALL,
	ENDPOINT_MAX_AGE,
	ENDPOINT_KEEP,
	ENDPOINT_KEEP_BYTES,
	ENDPOINT_CLIENT_CERTIFICATE,
	ENDPOINT_CA_CERTIFICATES,
	ENDPOINT_CONNECT_TO,
	ENDPOINT_SIGNING,
	ENDPOINT_SIGNING_SECRETS,
	ENDPOINT_RATE,
	ENDPOINT_BURST,
	ENDPOINT_MAX_IN_FLIGHT,
	ENDPOINT_ORDERED,
	ENDPOINT_BACK_OFF,
	ENDPOINT_PAUSED,
	ENDPOINT_PAUSE_AFTER,
	ENDPOINT_VERSION
};

static PreparedStatement find_endpoint = {
	.sql = "SELECT e.url, e.roles, e.methods, e.headers,"
		   " e.timeout_milliseconds, e.retry, e.retry_all, e.max_age, e.keep,"
		   " e.keep_bytes, e.client_certificate, e.ca_certificates,"
		   " e.connect_to, e.signing, e.signing_secrets,"
		   " e.rate, e.burst, e.max_in_flight, e.ordered, e.back_off, e.paused,"
		   " e.pause_after, e.xmin"
		   " FROM ONLY net.endpoint AS e WHERE e.name OPERATOR(pg_catalog.=) $1",
	.nparams = 1,
	.param_types = {TEXTOID}
};

/* A request of a shorter timeout of its own says nothing of the endpoint. */
#define COUNTED_TIMEOUT_MS 2000

/* As far as a time may be away. */
#define LONGEST_US 4.0e18

/* A row of net.endpoint. */
typedef struct Endpoint
{
	MemoryContext context;		/* of all this */
	char	   *name;
	char	   *url;			/* may refer to secrets */
	char	   *origin;			/* the same up to the path */
	Oid			owner;			/* who may use it anyway */
	ArrayType  *roles;
	bool		for_all_roles;
	char	  **methods;		/* NULL: all */
	int			nmethods;
	Field	   *headers;		/* may refer to secrets */
	int			nheaders;
	int			timeout_ms;		/* 0: none */
	int64	   *delays_us;
	int			ndelays;
	bool		retry_all;
	double		max_age_us;		/* 0: any */
	bool		keep;
	int			keep_bytes;		/* -1: all */
	char	   *client_certificate; /* names of secrets; NULL: none */
	char	   *ca_certificates;
	char	   *connect_to;		/* NULL: as the URL says */
	SigningScheme signing;
	char	  **signing_secrets;	/* names */
	int			nsigning_secrets;	/* 0: it is not signed */
	bool		ordered;
	LanePolicy	limits;
	char	   *problem;		/* with what the row has; or NULL */
} Endpoint;

/* Rows that were read, each in the place of a hash of its name. */
#define KNOWN_ENDPOINTS 256

static Endpoint *known[KNOWN_ENDPOINTS];
static uint64 known_as_of;

static const Endpoint *find(const char *name, size_t length);
static const Endpoint *find_by_url(const char *url);
static void forget_all(void);
static Endpoint *read_row(const char *name, size_t length);
static void copy_row(const StatementSession *session, Endpoint *endpoint);
static void copy_rights(const StatementSession *session, Endpoint *endpoint);
static void copy_signing(const StatementSession *session, Endpoint *endpoint);
static char **copy_texts(const StatementSession *session, int column,
						 int *count);
static void copy_delivery(const StatementSession *session,
						  Endpoint *endpoint);
static void copy_limits(const StatementSession *session, Endpoint *endpoint);
static double interval_us(const Interval *interval);
static char *refusal(const Endpoint *endpoint, const EndpointUrl *url,
					 Oid role, const char *method);
static bool takes_method(const Endpoint *endpoint, const char *method);
static bool may_use(const Endpoint *endpoint, Oid role);
static char *apply(Job *job, const Endpoint *endpoint,
				   const EndpointUrl *url);
static char *sign(Job *job, const Endpoint *endpoint);
static char *too_old(const Job *job, const Endpoint *endpoint);
static void set_delivery(Job *job, const Endpoint *endpoint);
static char *set_target(HttpRequest *request, const Endpoint *endpoint,
						const EndpointUrl *url, const SecretUse *use);
static char *set_connection(HttpEndpoint *target, const Endpoint *endpoint);
static char *fill_base(const Endpoint *endpoint, const SecretUse *use,
					   char **problem);
static char *set_headers(Job *job, const Endpoint *endpoint,
						 const SecretUse *use);
static bool is_replaced(const Endpoint *endpoint, const char *header_name);

char *
pgnet_endpoints_problem(const QueueRow *row, char **target)
{
	EndpointUrl url;
	const Endpoint *endpoint;
	char	   *problem;

	(void) pgnet_endpoint_url_parse(row->url, &url);
	endpoint = find(url.name, url.name_length);
	problem = refusal(endpoint, &url, row->role, row->method);
	if (problem == NULL)
		*target = pstrdup(endpoint->origin);
	return problem;
}

void
pgnet_endpoints_apply(Job *job)
{
	HttpRequest *request = &job->request;
	MemoryContext before = MemoryContextSwitchTo(request->context);
	char	   *problem = NULL;
	/* a row made by hand may have any */
	char	   *normal = pgnet_url_build(request->url, NULL, 0, &problem);
	EndpointUrl url;
	const Endpoint *endpoint;

	if (normal != NULL)
	{
		(void) pgnet_endpoint_url_parse(normal, &url);
		endpoint = find(url.name, url.name_length);
		problem = refusal(endpoint, &url, job->role, request->method);
		if (problem == NULL)
			problem = apply(job, endpoint, &url);
	}
	if (problem != NULL)
		pgnet_job_fail(job, problem);
	MemoryContextSwitchTo(before);
}

int
pgnet_endpoints_count_delays(const char *url)
{
	const Endpoint *endpoint = find_by_url(url);

	return endpoint ? endpoint->ndelays : 0;
}

bool
pgnet_endpoints_are_ordered(const char *url)
{
	const Endpoint *endpoint = find_by_url(url);

	return endpoint != NULL && endpoint->ordered;
}

LanePolicy
pgnet_endpoints_limits(const char *url)
{
	const Endpoint *endpoint = find_by_url(url);

	return endpoint ? endpoint->limits : (LanePolicy) {0};
}

/* The endpoint of a URL; NULL: none has its name, or it is of another form. */
static const Endpoint *
find_by_url(const char *url)
{
	EndpointUrl parts;

	if (pgnet_endpoint_url_parse(url, &parts) != NULL)
		return NULL;
	return find(parts.name, parts.name_length);
}

/* The endpoint of that name, valid until the next call; NULL: none has it. */
static const Endpoint *
find(const char *name, size_t length)
{
	uint32		hash = hash_bytes((const unsigned char *) name, (int) length);
	Endpoint  **place = &known[hash % KNOWN_ENDPOINTS];

	if (pgnet_catalog_endpoint_changes() != known_as_of)
		forget_all();
	if (*place != NULL && strlen((*place)->name) == length &&
		memcmp((*place)->name, name, length) == 0)
		return *place;
	if (*place != NULL)
		MemoryContextDelete((*place)->context);
	*place = NULL;
	return *place = read_row(name, length);
}

/* What changes while a row is read makes it forgotten the next time. */
static void
forget_all(void)
{
	known_as_of = pgnet_catalog_endpoint_changes();
	for (int i = 0; i < KNOWN_ENDPOINTS; i++)
	{
		if (known[i] != NULL)
			MemoryContextDelete(known[i]->context);
		known[i] = NULL;
	}
}

/* Read a row; NULL when there is none. */
static Endpoint *
read_row(const char *name, size_t length)
{
	text	   *key = cstring_to_text_with_len(name, (int) length);
	Datum		parameter = PointerGetDatum(key);
	Endpoint   *endpoint = NULL;
	StatementSession session;

	pgnet_statement_begin(&session, PGNET_AS_OWNER | PGNET_SPI | PGNET_LATEST);
	if (pgnet_statement_run(&session, &find_endpoint, &parameter, NULL) == 1)
	{
		MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
													  "pg_net endpoint",
													  ALLOCSET_SMALL_SIZES);
		MemoryContext before = MemoryContextSwitchTo(context);

		endpoint = palloc0(sizeof(Endpoint));
		endpoint->context = context;
		endpoint->name = pnstrdup(name, length);
		endpoint->owner = GetUserId();
		copy_row(&session, endpoint);
		MemoryContextSwitchTo(before);
		MemoryContextSetParent(context, TopMemoryContext);
	}
	pgnet_statement_end(&session);
	return endpoint;
}

/* Copy what find_endpoint gave. */
static void
copy_row(const StatementSession *session, Endpoint *endpoint)
{
	bool		null;
	Datum		headers;

	endpoint->url = pgnet_statement_text(session, 0, ENDPOINT_URL);
	endpoint->origin = pnstrdup(endpoint->url,
								pgnet_url_path_start(endpoint->url));
	endpoint->client_certificate =
		pgnet_statement_text(session, 0, ENDPOINT_CLIENT_CERTIFICATE);
	endpoint->ca_certificates =
		pgnet_statement_text(session, 0, ENDPOINT_CA_CERTIFICATES);
	endpoint->connect_to = pgnet_statement_text(session, 0,
												ENDPOINT_CONNECT_TO);
	copy_rights(session, endpoint);
	copy_delivery(session, endpoint);
	copy_signing(session, endpoint);
	copy_limits(session, endpoint);
	headers = pgnet_statement_datum(session, 0, ENDPOINT_HEADERS, &null);
	(void) pgnet_json_fields_read(null ? NULL : DatumGetJsonbP(headers),
								  "headers", PGNET_ARRAYS_TEXT,
								  &endpoint->headers, &endpoint->nheaders,
								  &endpoint->problem);
}

/* Copy who may use it, and for what. */
static void
copy_rights(const StatementSession *session, Endpoint *endpoint)
{
	bool		null;
	Datum		value;

	value = pgnet_statement_datum(session, 0, ENDPOINT_ROLES, &null);
	if (!null)
		endpoint->roles = DatumGetArrayTypePCopy(value);
	if (endpoint->roles != NULL)
		endpoint->for_all_roles = pgnet_roles_have_public(endpoint->roles);
	endpoint->methods = copy_texts(session, ENDPOINT_METHODS,
								   &endpoint->nmethods);
}

/* Copy how it is signed. */
static void
copy_signing(const StatementSession *session, Endpoint *endpoint)
{
	char	   *name = pgnet_statement_text(session, 0, ENDPOINT_SIGNING);

	if (name == NULL)
		return;
	endpoint->signing_secrets = copy_texts(session, ENDPOINT_SIGNING_SECRETS,
										   &endpoint->nsigning_secrets);
	if (!pgnet_signing_scheme(name, &endpoint->signing) ||
		endpoint->nsigning_secrets == 0)
		endpoint->problem = pstrdup("it cannot be signed so");
}

/* Copy a text[], nulls left out; NULL for null. */
static char **
copy_texts(const StatementSession *session, int column, int *count)
{
	bool		null;
	Datum		value = pgnet_statement_datum(session, 0, column, &null);
	Datum	   *elements;
	bool	   *nulls;
	int			nelements;
	char	  **texts;

	*count = 0;
	if (null)
		return NULL;
	deconstruct_array(DatumGetArrayTypeP(value), TEXTOID, -1, false,
					  TYPALIGN_INT, &elements, &nulls, &nelements);
	texts = palloc(sizeof(char *) * Max(nelements, 1));
	for (int i = 0; i < nelements; i++)
		if (!nulls[i])
			texts[(*count)++] = TextDatumGetCString(elements[i]);
	return texts;
}

/* Copy how often it is tried, and what is kept. */
static void
copy_delivery(const StatementSession *session, Endpoint *endpoint)
{
	bool		null;
	Datum		value;

	endpoint->timeout_ms = pgnet_statement_int32(session, 0, ENDPOINT_TIMEOUT,
												 0);
	endpoint->retry_all = pgnet_statement_bool(session, 0, ENDPOINT_RETRY_ALL,
											   false);
	endpoint->keep = pgnet_statement_bool(session, 0, ENDPOINT_KEEP, true);
	endpoint->keep_bytes = pgnet_statement_int32(session, 0,
												 ENDPOINT_KEEP_BYTES, -1);
	value = pgnet_statement_datum(session, 0, ENDPOINT_MAX_AGE, &null);
	if (!null)
		endpoint->max_age_us = interval_us(DatumGetIntervalP(value));
	value = pgnet_statement_datum(session, 0, ENDPOINT_RETRY, &null);
	if (!null)
		endpoint->ndelays = Max(pgnet_retry_parse(DatumGetArrayTypeP(value),
												  &endpoint->delays_us,
												  &endpoint->problem),
								0);
}

/* Copy what holds its requests.  What has no schedule does not back off. */
static void
copy_limits(const StatementSession *session, Endpoint *endpoint)
{
	LanePolicy *limits = &endpoint->limits;
	bool		null;
	Datum		value;

	value = pgnet_statement_datum(session, 0, ENDPOINT_RATE, &null);
	if (!null)
		limits->rate = DatumGetFloat4(value);
	limits->burst = pgnet_statement_int32(session, 0, ENDPOINT_BURST, 1);
	limits->max_in_flight = pgnet_statement_int32(session, 0,
												  ENDPOINT_MAX_IN_FLIGHT, 0);
	limits->backs_off = endpoint->ndelays > 0 &&
		pgnet_statement_bool(session, 0, ENDPOINT_BACK_OFF, true);
	limits->retry_all = endpoint->ndelays > 0 && endpoint->retry_all;
	limits->paused = pgnet_statement_bool(session, 0, ENDPOINT_PAUSED, false);
	value = pgnet_statement_datum(session, 0, ENDPOINT_PAUSE_AFTER, &null);
	if (!null)
		limits->pause_after_us =
			(int64) Min(interval_us(DatumGetIntervalP(value)), LONGEST_US);
	limits->counted_timeout_ms = endpoint->timeout_ms > 0 ?
		endpoint->timeout_ms :
		COUNTED_TIMEOUT_MS;
	value = pgnet_statement_datum(session, 0, ENDPOINT_VERSION, &null);
	limits->version = DatumGetTransactionId(value);
	endpoint->ordered = pgnet_statement_bool(session, 0, ENDPOINT_ORDERED,
											 false);
}

/* An interval in microseconds, a month being 30 days. */
static double
interval_us(const Interval *interval)
{
	return ((double) interval->month * DAYS_PER_MONTH + interval->day) *
		USECS_PER_DAY +
		interval->time;
}

/* Why a role may not send such a request to an endpoint, or NULL. */
static char *
refusal(const Endpoint *endpoint, const EndpointUrl *url, Oid role,
		const char *method)
{
	int			length = (int) url->name_length;

	if (endpoint == NULL || !may_use(endpoint, role))
		return psprintf("endpoint \"%.*s\" does not exist or is not granted to this role",
						pg_mbcliplen(url->name, length, Min(length, 200)),
						url->name);
	if (!takes_method(endpoint, method))
		return psprintf("%s requests to endpoint \"%s\" are not allowed",
						method, endpoint->name);
	return NULL;
}

/* Has a role the rights?  Its roles may name some that are not there. */
static bool
may_use(const Endpoint *endpoint, Oid role)
{
	if (endpoint->for_all_roles)
		return true;
	return OidIsValid(role) &&
		(has_privs_of_role(role, endpoint->owner) ||
		 (endpoint->roles != NULL &&
		  pgnet_roles_include(role, endpoint->roles)));
}

/*
 * Methods written by hand may be in small letters, and are sent in capitals.
 * The response to TRACE has the whole request, so it is only for an endpoint
 * that says so.
 */
static bool
takes_method(const Endpoint *endpoint, const char *method)
{
	for (int i = 0; i < endpoint->nmethods; i++)
		if (pg_strcasecmp(endpoint->methods[i], method) == 0)
			return true;
	return endpoint->methods == NULL && pg_strcasecmp(method, "TRACE") != 0;
}

/* Change a request, in its memory context; why it cannot be sent, or NULL. */
static char *
apply(Job *job, const Endpoint *endpoint, const EndpointUrl *url)
{
	SecretUse	use = {
		.as_owner = true,
		.url = endpoint->origin,
		.host_header = pgnet_headers_find(endpoint->headers,
										  endpoint->nheaders, "Host"),
		.method = job->request.method
	};
	char	   *problem;

	set_delivery(job, endpoint);
	if (endpoint->problem != NULL)
		return psprintf("endpoint \"%s\" is not valid: %s", endpoint->name,
						endpoint->problem);
	problem = too_old(job, endpoint);
	if (problem == NULL)
		problem = set_target(&job->request, endpoint, url, &use);
	if (problem == NULL)
		problem = set_headers(job, endpoint, &use);
	if (problem == NULL && endpoint->nsigning_secrets > 0)
		problem = sign(job, endpoint);
	return problem;
}

/* Sign it. */
static char *
sign(Job *job, const Endpoint *endpoint)
{
	int			count = endpoint->nsigning_secrets;
	Field	   *secrets = palloc(sizeof(Field) * count);
	char	   *problem = NULL;

	for (int i = 0; i < count && problem == NULL; i++)
	{
		secrets[i].name = endpoint->signing_secrets[i];
		secrets[i].value = pgnet_secrets_value(secrets[i].name, &problem);
	}
	if (problem != NULL)
		return problem;
	return pgnet_message_headers_sign(job, endpoint->signing, secrets, count);
}

/* Is a request older than the endpoint allows?  Why it is not sent, or NULL. */
static char *
too_old(const Job *job, const Endpoint *endpoint)
{
	const Delivery *delivery = &job->delivery;
	TimestampTz since;

	if (endpoint->max_age_us == 0)
		return NULL;
	since = pgnet_attempt_log_since(delivery->failures, delivery->due,
									delivery->queued);
	if ((double) (GetCurrentTimestamp() - since) <= endpoint->max_age_us)
		return NULL;
	return psprintf("the request is older than endpoint \"%s\" allows",
					endpoint->name);
}

/* How often it is tried, and what becomes of it. */
static void
set_delivery(Job *job, const Endpoint *endpoint)
{
	Delivery   *delivery = &job->delivery;

	if (endpoint->timeout_ms > 0)
		job->request.timeout_ms = endpoint->timeout_ms;
	delivery->retry_all = endpoint->retry_all;
	if (!delivery->has_keep)
		delivery->drops_success = !endpoint->keep;
	if (!delivery->has_schedule && endpoint->ndelays > 0)
	{
		int64	   *delays_us = palloc(sizeof(int64) * endpoint->ndelays);

		memcpy(delays_us, endpoint->delays_us,
			   sizeof(int64) * endpoint->ndelays);
		delivery->delays_us = delays_us;
		delivery->ndelays = endpoint->ndelays;
	}
}

/* Where it goes; a redirect would lead away from there. */
static char *
set_target(HttpRequest *request, const Endpoint *endpoint,
		   const EndpointUrl *url, const SecretUse *use)
{
	HttpEndpoint *target = palloc0(sizeof(HttpEndpoint));
	char	   *problem = NULL;
	const char *base = endpoint->url;

	target->has_secret_url = pgnet_secrets_are_in(base);
	if (target->has_secret_url)
		base = fill_base(endpoint, use, &problem);
	if (problem != NULL)
		return problem;
	target->shown = psprintf(PGNET_ENDPOINT_SCHEME "%s", endpoint->name);
	target->url = pgnet_endpoint_url_join(base, url);
	target->keep_bytes = endpoint->keep_bytes;
	request->endpoint = target;
	request->options.max_redirects = 0;
	problem = set_connection(target, endpoint);
	return problem ? problem : pgnet_url_length_problem(strlen(target->url));
}

/* How to connect, as whom, and to whom alone. */
static char *
set_connection(HttpEndpoint *target, const Endpoint *endpoint)
{
	char	   *problem = NULL;

	if (endpoint->connect_to != NULL)
		target->connect_to = pstrdup(endpoint->connect_to);
	if (endpoint->client_certificate != NULL)
		target->client_certificate =
			pgnet_secrets_value(endpoint->client_certificate, &problem);
	if (endpoint->ca_certificates != NULL && problem == NULL)
		target->ca_certificates =
			pgnet_secrets_value(endpoint->ca_certificates, &problem);
	return problem;
}

/* The base with its secrets, which must not make another of its parts. */
static char *
fill_base(const Endpoint *endpoint, const SecretUse *use, char **problem)
{
	char	   *path = pstrdup(endpoint->url + strlen(endpoint->origin));
	char	   *query = strchr(path, '?');

	if (query != NULL)
		*query++ = '\0';
	path = pgnet_secrets_fill_text(use, path, problem);
	if (query != NULL && *problem == NULL)
		query = pgnet_secrets_fill_text(use, query, problem);
	if (*problem == NULL &&
		(!pgnet_url_part_is_valid(path, false) ||
		 (query != NULL && !pgnet_url_part_is_valid(query, true))))
		*problem = psprintf("a secret in the URL of endpoint \"%s\" has a character that a URL cannot have there",
							endpoint->name);
	return psprintf("%s%s%s%s", endpoint->origin, path, query ? "?" : "",
					query ? query : "");
}

/*
 * The endpoint's header fields, and the request's of other names.  What those
 * refer to is for the role; a Host of its own would lead to another site of
 * the same server.
 */
static char *
set_headers(Job *job, const Endpoint *endpoint, const SecretUse *use)
{
	HttpRequest *request = &job->request;
	SecretUse	use_by_role = *use;
	int			most = request->nheaders + endpoint->nheaders;
	Field	   *merged = palloc(sizeof(Field) * Max(most, 1));
	int			nmerged = 0;
	int			nown;
	char	   *problem = NULL;

	use_by_role.as_owner = false;
	use_by_role.role = job->role;
	for (int i = 0; i < request->nheaders; i++)
		if (!is_replaced(endpoint, request->headers[i].name))
			merged[nmerged++] = request->headers[i];
	nown = nmerged;
	for (int i = 0; i < endpoint->nheaders; i++)
	{
		Field	   *header = &merged[nmerged++];

		header->name = pstrdup(endpoint->headers[i].name);
		header->value = pstrdup(endpoint->headers[i].value);
	}
	for (int i = 0; i < nmerged && problem == NULL; i++)
		if (pgnet_secrets_are_in(merged[i].value))
			merged[i].value =
				pgnet_secrets_fill_text(i < nown ? &use_by_role : use,
										merged[i].value, &problem);
	request->headers = merged;
	request->nheaders = nmerged;
	return problem ? problem : pgnet_headers_problem(merged, nmerged);
}

/* Is a field of a request not sent? */
static bool
is_replaced(const Endpoint *endpoint, const char *header_name)
{
	return pg_strcasecmp(header_name, "Host") == 0 ||
		pgnet_headers_find(endpoint->headers, endpoint->nheaders,
						   header_name) != NULL;
}
