/*
 * support.c -- what the SQL functions have in common.
 *
 * Runs in: client backends.
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "api/support.h"
#include "tables/recovery/durability.h"
#include "clock.h"
#include "settings.h"
#include "shared/launcher_state.h"
#include "tables/catalog.h"

/* A worker that is needed starts within this, unless something is wrong. */
#define PATIENCE_MS 10000

static const char *called(FunctionCallInfo fcinfo);
static bool is_named_database(void);

/* Is the library preloaded? */
void
pgnet_require_preloaded(void)
{
	if (!pgnet_registry_available())
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("pg_net must be loaded via shared_preload_libraries"),
				errhint("Add pg_net to shared_preload_libraries in postgresql.conf and restart the server."));
}

/* The state of this database. */
DatabaseState *
pgnet_require_served(void)
{
	pgnet_require_preloaded();
	return pgnet_registry_own();
}

/* May we write, as far as the server and the transaction go? */
void
pgnet_require_writable(FunctionCallInfo fcinfo)
{
	const char *function;

	/* on a standby every transaction is read-only */
	if (!XactReadOnly && !IsInParallelMode())
		return;
	function = called(fcinfo);
	PreventCommandDuringRecovery(function);
	PreventCommandIfReadOnly(function);
	PreventCommandIfParallelMode(function);
}

/* Is this a parallel query? */
void
pgnet_require_not_parallel(FunctionCallInfo fcinfo)
{
	if (IsInParallelMode())
		PreventCommandIfParallelMode(called(fcinfo));
}

/* Can the tables be read here? */
void
pgnet_require_readable(FunctionCallInfo fcinfo)
{
	pgnet_require_not_parallel(fcinfo);
	if (!pgnet_catalog_is_absent_on_standby())
		return;
	ereport(ERROR,
			errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
			errmsg("cannot execute %s during recovery", called(fcinfo)),
			errdetail("Requests and responses are in unlogged tables, which a standby cannot read."),
			errhint("Call it on the primary, or make the tables logged there with net.set_durable(true)."));
}

/* The function that was called, as messages name it. */
static const char *
called(FunctionCallInfo fcinfo)
{
	return psprintf("net.%s()", get_func_name(fcinfo->flinfo->fn_oid));
}

/* Is the worker at work, or not needed? */
void
pgnet_require_worker(void)
{
	DatabaseSnapshot now = pgnet_database_snapshot(pgnet_require_served());

	if (now.worker.ready)
		return;
	if (pgnet_launcher_is_up() && !is_named_database() &&
		!TimestampDifferenceExceeds(now.start_requested, pgnet_clock_now(),
									PATIENCE_MS))
		return;
	ereport(ERROR,
			errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			errmsg("the pg_net background worker is not up"),
			errdetail("Requests are queued and will be sent once it is up."),
			pgnet_launcher_is_short() ?
				errhint("All background worker slots are in use: raise \"max_worker_processes\" and restart the server.") :
				errhint("See the server log for the reason. Call net.worker_restart() once the problem is fixed."));
}

/* Does the setting name this database? */
static bool
is_named_database(void)
{
	const char *name = get_database_name(MyDatabaseId);
	ListCell   *cell;

	foreach(cell, pgnet_setting_database_names())
		if (name != NULL && strcmp(lfirst(cell), name) == 0)
			return true;
	return false;
}

void
pgnet_warn_unless_durable(void)
{
	static bool said = false;

	if (said || !pgnet_durability_is_off())
		return;
	said = true;
	ereport(NOTICE,
			errmsg("a server crash will remove queued, scheduled and retried requests"),
			errhint("Call net.set_durable(true) to keep them."));
}
