/*
 * resend.c -- send requests of the queue at another time, or remove them.
 *
 * Runs in: client backends, inside a transaction.
 *
 * Statements run as the owner of the tables, so that a role needs no privileges
 * on them, and with a fixed search_path, so that triggers of users do not run
 * with the caller's.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#include "tables/catalog.h"
#include "tables/local_setting.h"
#include "tables/queue/attempt_log.h"
#include "tables/queue/resend.h"
#include "tables/statement.h"

/* Before the lock: a role must not lock rows that it may not control. */
static PreparedStatement find_request = {
	.sql = "SELECT q.role::pg_catalog.oid"
		   " FROM ONLY net.http_request_queue AS q"
		   " WHERE q.id OPERATOR(pg_catalog.=) $1",
	.nparams = 1,
	.param_types = {INT8OID}
};

static PreparedStatement lock_request = {
	.sql = "SELECT q.role::pg_catalog.oid, q.gave_up IS NOT NULL, q.failures"
		   " FROM ONLY net.http_request_queue AS q"
		   " WHERE q.id OPERATOR(pg_catalog.=) $1 FOR UPDATE",
	.nparams = 1,
	.param_types = {INT8OID}
};

static PreparedStatement set_due = {
	.sql = "UPDATE ONLY net.http_request_queue AS q SET due = $2"
		   " WHERE q.id OPERATOR(pg_catalog.=) $1",
	.nparams = 2,
	.param_types = {INT8OID, TIMESTAMPTZOID}
};

static PreparedStatement begin_round = {
	.sql = "UPDATE ONLY net.http_request_queue AS q"
		   " SET due = $2, gave_up = NULL, failures = $3"
		   " WHERE q.id OPERATOR(pg_catalog.=) $1",
	.nparams = 3,
	.param_types = {INT8OID, TIMESTAMPTZOID, JSONBOID}
};

static PreparedStatement remove_responses = {
	.sql = "DELETE FROM ONLY net._http_response AS r"
		   " WHERE r.id OPERATOR(pg_catalog.=) $1",
	.nparams = 1,
	.param_types = {INT8OID}
};

static PreparedStatement remove_request = {
	.sql = "DELETE FROM ONLY net.http_request_queue AS q"
		   " WHERE q.id OPERATOR(pg_catalog.=) $1",
	.nparams = 1,
	.param_types = {INT8OID}
};

/* See the top of the file. */
typedef struct OwnerSession
{
	StatementSession session;
	int			level;
} OwnerSession;

static void begin(OwnerSession *owner);
static void end(OwnerSession *owner);
static bool find(OwnerSession *owner, PreparedStatement *statement,
				 int64 id, Oid caller);
static bool may_control(Oid caller, Oid role);

bool
pgnet_request_lock(int64 id, LockedRequest *request)
{
	MemoryContext context = CurrentMemoryContext;
	MemoryContext before;
	Oid			caller = GetUserId();
	OwnerSession owner;
	Datum		value;
	bool		found;
	bool		null;

	begin(&owner);
	found = find(&owner, &find_request, id, caller) &&
		find(&owner, &lock_request, id, caller);
	if (found)
	{
		before = MemoryContextSwitchTo(context);
		*request = (LockedRequest) {
			.id = id,
			.gave_up = pgnet_statement_bool(&owner.session, 0, 2, false)
		};
		value = pgnet_statement_datum(&owner.session, 0, 3, &null);
		if (!null)
			request->failures = DatumGetJsonbPCopy(value);
		MemoryContextSwitchTo(before);
	}
	end(&owner);
	return found;
}

void
pgnet_request_resend(const LockedRequest *request, TimestampTz due)
{
	const char *role = GetUserNameFromId(GetUserId(), false);
	Datum		values[3] = {Int64GetDatum(request->id),
					   TimestampTzGetDatum(due)};
	OwnerSession owner;
	Jsonb	   *log;

	begin(&owner);
	if (request->gave_up)
	{
		log = pgnet_attempt_log_resend(request->failures, GetCurrentTimestamp(),
									   due, role);
		values[2] = JsonbPGetDatum(log);
		(void) pgnet_statement_run(&owner.session, &remove_responses, values,
								   NULL);
		(void) pgnet_statement_run(&owner.session, &begin_round, values, NULL);
	}
	else
		(void) pgnet_statement_run(&owner.session, &set_due, values, NULL);
	end(&owner);
}

void
pgnet_request_cancel(const LockedRequest *request)
{
	Datum		value = Int64GetDatum(request->id);
	OwnerSession owner;

	begin(&owner);
	(void) pgnet_statement_run(&owner.session, &remove_request, &value, NULL);
	end(&owner);
}

static void
begin(OwnerSession *owner)
{
	pgnet_statement_begin(&owner->session, PGNET_AS_OWNER | PGNET_SPI);
	owner->level = pgnet_local_setting_begin("search_path",
											 "pg_catalog, pg_temp");
}

static void
end(OwnerSession *owner)
{
	pgnet_local_setting_end(owner->level);
	pgnet_statement_end(&owner->session);
}

/* Run find_request or lock_request.  May the caller control the request? */
static bool
find(OwnerSession *owner, PreparedStatement *statement, int64 id, Oid caller)
{
	Datum		value = Int64GetDatum(id);

	return pgnet_statement_run(&owner->session, statement, &value, NULL) > 0 &&
		may_control(caller, pgnet_statement_oid(&owner->session, 0, 1));
}

/* Called as the owner of the tables, so GetUserId() is the owner. */
static bool
may_control(Oid caller, Oid role)
{
	if (superuser_arg(caller) || has_privs_of_role(caller, GetUserId()))
		return true;
	return OidIsValid(role) && has_privs_of_role(caller, role);
}
