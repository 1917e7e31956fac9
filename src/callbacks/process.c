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

#include <signal.h>

#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "tcop/tcopprot.h"

#include "callbacks/call_mark.h"
#include "callbacks/process.h"
#include "callbacks/turn.h"
#include "compat.h"
#include "shared/callback_state.h"
#include "shared/registry.h"

static void connect_to(DatabaseState *database, const CallbackStatus *status);
static void catch_sigterm(void);
static void terminate(int number, siginfo_t *info, void *context);

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
		pgnet_call_mark_begin(database);
		catch_sigterm();
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

/* As pqsignal(), for a handler that is told who sent the signal. */
static void
catch_sigterm(void)
{
	struct sigaction action = {
		.sa_sigaction = terminate,
		.sa_flags = SA_SIGINFO | SA_RESTART
	};

	sigemptyset(&action.sa_mask);
	if (sigaction(SIGTERM, &action, NULL) != 0)
		elog(ERROR, "could not set a signal handler: %m");
}

/* SIGTERM: end a call at once; otherwise the turn, when it looks. */
static void
terminate(int number, siginfo_t *info, void *context)
{
	(void) context;
	if (info->si_pid == PostmasterPid)
		pgnet_call_mark_shut_down();
	if (pgnet_turn_is_calling())
		die(number);
	else
		SignalHandlerForShutdownRequest(number);
}
