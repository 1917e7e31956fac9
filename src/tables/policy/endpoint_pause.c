/*
 * endpoint_pause.c -- pausing an endpoint in net.endpoint.
 *
 * Runs in: the process of the callbacks.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"

#include "tables/catalog.h"
#include "tables/local_setting.h"
#include "tables/policy/endpoint_pause.h"
#include "tables/statement.h"

/* The row that a worker knew, as it was. */
#define FIND \
	"SELECT 1 FROM ONLY net.endpoint AS e" \
	" WHERE e.name OPERATOR(pg_catalog.=) $1" \
	" AND e.xmin OPERATOR(pg_catalog.=) $2 AND NOT e.paused" \
	" AND e.pause_after IS NOT NULL"

static PreparedStatement find_row = {
	.sql = FIND,
	.nparams = 2,
	.param_types = {TEXTOID, XIDOID}
};

static PreparedStatement lock_row = {
	.sql = FIND " FOR NO KEY UPDATE SKIP LOCKED",
	.nparams = 2,
	.param_types = {TEXTOID, XIDOID}
};

static PreparedStatement pause_row = {
	.sql = "UPDATE ONLY net.endpoint AS e SET paused = true, pause_reason = $2"
		   " WHERE e.name OPERATOR(pg_catalog.=) $1",
	.nparams = 2,
	.param_types = {TEXTOID, TEXTOID}
};

static PauseResult change_row(const char *name, TransactionId version,
							  const char *reason);

PauseResult
pgnet_endpoint_pause(const char *name, TransactionId version,
					 const char *reason)
{
	Oid			table = pgnet_catalog_relation("endpoint");
	int			level;
	PauseResult result;

	if (!OidIsValid(table))
		return PGNET_PAUSE_NEEDLESS;
	if (!ConditionalLockRelationOid(table, RowExclusiveLock))
		return PGNET_PAUSE_LOCKED;
	level = pgnet_local_setting_begin("search_path", "pg_catalog, pg_temp");
	result = change_row(name, version, reason);
	pgnet_local_setting_end(level);
	return result;
}

/* Find the row, lock it, and change it. */
static PauseResult
change_row(const char *name, TransactionId version, const char *reason)
{
	Datum		which[] = {CStringGetTextDatum(name),
					 TransactionIdGetDatum(version)};
	Datum		what[] = {which[0], CStringGetTextDatum(reason)};
	PauseResult result = PGNET_PAUSE_DONE;
	StatementSession session;

	pgnet_statement_begin(&session, PGNET_AS_OWNER);
	if (pgnet_statement_run(&session, &find_row, which, NULL) == 0)
		result = PGNET_PAUSE_NEEDLESS;
	else if (pgnet_statement_run(&session, &lock_row, which, NULL) == 0)
		result = PGNET_PAUSE_LOCKED;
	else
		(void) pgnet_statement_run(&session, &pause_row, what, NULL);
	pgnet_statement_end(&session);
	return result;
}
