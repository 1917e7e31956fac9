/*
 * worker.c -- the background worker of a database: birth and death.
 *
 * Runs in: the worker.  What it does in between is loop.c.
 *
 * The process always ends with exit code 1: the postmaster starts it again at
 * once, while 0 would unregister it and anything else counts as a crash that
 * restarts the server (postmaster.c, CleanupBackgroundWorker).
 */
#include "postgres.h"

#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/guc.h"

#include "compat.h"
#include "settings.h"
#include "shared/slots.h"
#include "worker/loop.h"
#include "worker/worker.h"

/* A worker that cannot start tries again after 1, 2, 4, ... seconds. */
#define FIRST_RETRY_MS 1000
#define LAST_RETRY_MS 60000

static void wait_after_failed_starts(int nfailed);
static void reload_settings(void);

/* Register the worker. */
void
pgnet_worker_init(void)
{
	BackgroundWorker worker = {
		.bgw_name = "pg_net worker",
		.bgw_type = "pg_net worker",
		.bgw_flags = BGWORKER_SHMEM_ACCESS |
			BGWORKER_BACKEND_DATABASE_CONNECTION,
		.bgw_start_time = BgWorkerStart_RecoveryFinished,
		.bgw_restart_time = 0,
		.bgw_library_name = "pg_net",
		.bgw_function_name = "pgnet_worker_main"
	};

	/* pg_upgrade starts servers that must not do anything by themselves */
	if (!IsBinaryUpgrade)
		RegisterBackgroundWorker(&worker);
}

/* Be the worker. */
void
pgnet_worker_main(Datum unused)
{
	WorkerSlot *slot;
	const char *username;

	(void) unused;
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	BackgroundWorkerUnblockSignals();

	wait_after_failed_starts(pgnet_starts_begin());
	username = pgnet_setting_username;
	if (username != NULL && *username == '\0')
		username = NULL;
	BackgroundWorkerInitializeConnection(pgnet_setting_database_name, username,
										 0);
	slot = pgnet_slot_get(MyDatabaseId);
	pgnet_slot_claim(slot);
	pgnet_loop_run(slot);
	proc_exit(1);
}

/*
 * Connecting failed before, to a database that does not exist perhaps: wait
 * before trying again, or until a reload may have mended it.
 */
static void
wait_after_failed_starts(int nfailed)
{
	long		wait_ms = FIRST_RETRY_MS;

	if (nfailed == 0)
		return;
	for (int i = 1; i < nfailed && wait_ms < LAST_RETRY_MS; i++)
		wait_ms = Min(wait_ms * 2, LAST_RETRY_MS);

	while (!ConfigReloadPending)
	{
		int			events = WaitLatch(MyLatch,
									   WL_LATCH_SET | WL_TIMEOUT |
										   WL_EXIT_ON_PM_DEATH,
									   wait_ms, PG_WAIT_EXTENSION);

		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if (ShutdownRequestPending)
			proc_exit(1);
		if (events & WL_TIMEOUT)
			break;
	}
	reload_settings();
}

/* Read the configuration again if asked to. */
static void
reload_settings(void)
{
	if (!ConfigReloadPending)
		return;
	ConfigReloadPending = false;
	ProcessConfigFile(PGC_SIGHUP);
}
