/*
 * process.c -- the process that calls functions with responses: start and exit.
 *
 * Runs in: the process of the callbacks (backend type "net callback").
 *
 * It is there for one role.  What a function leaves behind in a process, such
 * as a connection of dblink, a global variable of PL/Python or a library, never
 * meets another role: with the turn of another role another process begins.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "tcop/tcopprot.h"

#include "callbacks/process.h"
#include "callbacks/turn.h"
#include "compat.h"
#include "shared/callback_state.h"
#include "shared/registry.h"

static void connect_to(DatabaseState *database, const CallbackStatus *status);
static void terminate(SIGNAL_ARGS);

void
pgnet_callback_main(Datum oid)
{
	DatabaseState *database;
	CallbackStatus status;

	/* connecting may wait for a lock, which die() can end */
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();

	database = pgnet_registry_acquire(DatumGetObjectId(oid));
	if (database == NULL)
		elog(ERROR, "the state of this database is gone");
	if (pgnet_callbacks_claim(database, &status))
	{
		connect_to(database, &status);
		pqsignal(SIGTERM, terminate);
		pgnet_turn_run(database, status.role);
	}
	else
		pgnet_callbacks_set_clean_exit(database);
	proc_exit(0);
}

/*
 * Connect as the role, where one can that may not log in; otherwise as the
 * owner of the tables, who becomes the role in each transaction.  If that
 * failed before, as workers do: the owner may not be permitted to log in, or
 * the role to connect to this database.
 */
static void
connect_to(DatabaseState *database, const CallbackStatus *status)
{
	Oid			role = PGNET_CALLBACKS_CONNECT_AS_ROLE ? status->role :
												 status->owner;
	Oid			of_workers;

	memcpy(&of_workers, MyBgworkerEntry->bgw_extra, sizeof(of_workers));
	if (!OidIsValid(role) || role == status->no_connection)
		role = of_workers;
	else
		pgnet_callbacks_set_connecting(database, role);
	BackgroundWorkerInitializeConnectionByOid(database->database, role,
											  PGNET_BYPASS_ROLE_LOGIN);
	pgnet_callbacks_set_connected(database);
}

/* SIGTERM: end a call at once; otherwise the turn, when it looks. */
static void
terminate(SIGNAL_ARGS)
{
	if (pgnet_turn_is_calling())
		die(postgres_signal_arg);
	else
		SignalHandlerForShutdownRequest(postgres_signal_arg);
}
