/*
 * control.c -- functions about the worker.
 *
 * Runs in: client backends.
 */
#include "postgres.h"

#include <signal.h>

#include "commands/extension.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/condition_variable.h"
#include "tcop/utility.h"

#include "api/support.h"
#include "compat.h"
#include "shared/wakeup.h"

PG_FUNCTION_INFO_V1(pgnet_wake);
PG_FUNCTION_INFO_V1(pgnet_worker_restart);
PG_FUNCTION_INFO_V1(pgnet_wait_until_running);
PG_FUNCTION_INFO_V1(pgnet_check_worker_is_up);

/* wake(): at commit, have the worker look at the whole queue. */
Datum
pgnet_wake(PG_FUNCTION_ARGS)
{
	/* the extension's own script calls this: let it install, but say so */
	if (creating_extension && !pgnet_registry_available())
	{
		ereport(WARNING,
				errmsg("pg_net must be loaded via shared_preload_libraries"),
				errdetail("The extension was created, but its functions will raise this error."),
				errhint("Add pg_net to shared_preload_libraries in postgresql.conf and restart the server."));
		PG_RETURN_VOID();
	}
	pgnet_require_preloaded();
	PreventCommandDuringRecovery("net.wake()");
	pgnet_require_not_parallel(fcinfo);
	pgnet_wakeup_at_commit(PGNET_LOOK_AT_ALL);
	PG_RETURN_VOID();
}

/*
 * worker_restart(): read the configuration again, and have the worker of this
 * database start anew with it.  The order matters to the postmaster only: it
 * starts the new worker after it has read the configuration.
 */
Datum
pgnet_worker_restart(PG_FUNCTION_ARGS)
{
	pid_t		worker;

	pgnet_require_preloaded();
	PreventCommandDuringRecovery("net.worker_restart()");
	if (kill(PostmasterPid, SIGHUP) != 0)
		ereport(ERROR,
				errmsg("could not send a signal to the postmaster: %m"));
	worker = pgnet_database_dismiss_worker(pgnet_registry_own());
	if (worker != 0 && kill(worker, SIGTERM) != 0)
		ereport(WARNING,
				errmsg("could not send a signal to the pg_net worker: %m"));
	PG_RETURN_BOOL(true);
}

/*
 * wait_until_running(): sleep until the worker is at work; have it started
 * if there is none.  It may leave again before we look.
 */
Datum
pgnet_wait_until_running(PG_FUNCTION_ARGS)
{
	static uint32 wait_event = 0;
	DatabaseState *database;
	DatabaseSnapshot now;
	uint32		starts;

	pgnet_require_preloaded();
	PreventCommandDuringRecovery("net.wait_until_running()");
	database = pgnet_registry_own();
	ConditionVariablePrepareToSleep(&database->changed);
	now = pgnet_database_snapshot(database);
	starts = now.starts;
	while (!now.worker.ready && now.starts == starts)
	{
		pgnet_database_request_start(database);
		ConditionVariableSleep(&database->changed,
							   pgnet_wait_event(&wait_event,
												"PgNetWorkerStart"));
		now = pgnet_database_snapshot(database);
	}
	ConditionVariableCancelSleep();
	PG_RETURN_VOID();
}

/* check_worker_is_up(): an error when the worker is needed and not at work. */
Datum
pgnet_check_worker_is_up(PG_FUNCTION_ARGS)
{
	PreventCommandDuringRecovery("net.check_worker_is_up()");
	pgnet_require_worker();
	PG_RETURN_VOID();
}
