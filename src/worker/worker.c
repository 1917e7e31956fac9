/*
 * worker.c -- the processes of one database: start and exit.
 *
 * Runs in: workers and probes.  What they do in between is in loop.c and
 * probe.c.
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
#include "shared/inflight_global.h"
#include "shared/inflight_ids.h"
#include "shared/lane_stats.h"
#include "shared/registry.h"
#include "shared/stats.h"
#include "shared/worker_state.h"
#include "worker/loop.h"
#include "worker/old_loop.h"
#include "worker/probe.h"
#include "worker/worker.h"

static WorkerState *begin(Oid database);

void
pgnet_worker_main(Datum database)
{
	WorkerState *worker = begin(DatumGetObjectId(database));

	if (!pgnet_old_loop_run(worker))
		pgnet_loop_run(worker);
	proc_exit(0);
}

void
pgnet_probe_main(Datum database)
{
	pgnet_probe_run(begin(DatumGetObjectId(database)));
	proc_exit(0);
}

/* Connect, and claim the state of the database.  Exits if there is a worker. */
static WorkerState *
begin(Oid database)
{
	DatabaseState *state;
	WorkerState *worker;
	Oid			role;

	/* connecting may wait for a lock, which die() can end */
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();

	memcpy(&role, MyBgworkerEntry->bgw_extra, sizeof(role));
	BackgroundWorkerInitializeConnectionByOid(database, role, 0);
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);

	state = pgnet_registry_acquire(MyDatabaseId);
	if (state == NULL)
		elog(ERROR, "the state of this database is gone");
	worker = pgnet_worker_claim(state);
	if (worker == NULL)
	{
		/* another one serves it, or nobody may now: the launcher will see */
		pgnet_worker_set_clean_exit(state);
		proc_exit(0);
	}
	pgnet_inflight_join(worker);
	pgnet_inflight_ids_join(worker);
	pgnet_stats_join(worker);
	pgnet_lane_stats_join();
	return worker;
}
