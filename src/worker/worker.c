/*
 * worker.c -- the processes of one database: birth and death.
 *
 * Runs in: the worker, and those that look at a database.  What a worker does
 * in between is loop.c.
 *
 * They end with exit code 0, which says nothing in the log, or 1 after an
 * error.  The launcher starts the next one; anything else counts as a crash
 * that restarts the server (postmaster.c, CleanupBackgroundWorker).
 */
#include "postgres.h"

#include "miscadmin.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "tcop/tcopprot.h"

#include "compat.h"
#include "shared/slots.h"
#include "worker/look.h"
#include "worker/loop.h"
#include "worker/worker.h"

static WorkerSlot *begin(Oid database);

/* Describe a process. */
void
pgnet_worker_describe(BackgroundWorker *worker, WorkerKind kind, Oid database,
					  Oid role)
{
	const char *type = kind == PGNET_LOOK ? "net look" : "pg_net worker";
	const char *main = kind == PGNET_LOOK ? "pgnet_look_main" :
											"pgnet_worker_main";

	*worker = (BackgroundWorker) {
		.bgw_flags = BGWORKER_SHMEM_ACCESS |
			BGWORKER_BACKEND_DATABASE_CONNECTION |
			PGNET_BGWORKER_INTERRUPTIBLE,
		.bgw_start_time = BgWorkerStart_RecoveryFinished,
		.bgw_restart_time = BGW_NEVER_RESTART,
		.bgw_library_name = "pg_net",
		.bgw_main_arg = ObjectIdGetDatum(database),
		.bgw_notify_pid = MyProcPid
	};
	snprintf(worker->bgw_name, BGW_MAXLEN, "%s for database %u", type,
			 database);
	strlcpy(worker->bgw_type, type, BGW_MAXLEN);
	strlcpy(worker->bgw_function_name, main, BGW_MAXLEN);
	memcpy(worker->bgw_extra, &role, sizeof(role));
}

/* Be the worker. */
void
pgnet_worker_main(Datum database)
{
	WorkerSlot *slot = begin(DatumGetObjectId(database));

	pgnet_loop_run(slot);
	proc_exit(0);
}

/* Look at a database. */
void
pgnet_look_main(Datum database)
{
	WorkerSlot *slot = begin(DatumGetObjectId(database));

	pgnet_look_run(slot);
	proc_exit(0);
}

/* Connect, and claim the database's slot, or end the process. */
static WorkerSlot *
begin(Oid database)
{
	WorkerSlot *slot;
	Oid			role;

	/* connecting may wait for a lock, which die() can end */
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();

	memcpy(&role, MyBgworkerEntry->bgw_extra, sizeof(role));
	BackgroundWorkerInitializeConnectionByOid(database, role, 0);
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);

	slot = pgnet_slots_lend(MyDatabaseId);
	if (slot == NULL)
		elog(ERROR, "the slot of this database is gone");
	if (pgnet_slot_claim(slot))
		return slot;
	/* another one serves it, or nobody may now: the launcher will see */
	pgnet_slot_leave(slot);
	proc_exit(0);
}
