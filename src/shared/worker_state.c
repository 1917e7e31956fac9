/*
 * worker_state.c -- what a worker says of itself.
 *
 * Runs in: workers and probes.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/timestamp.h"

#include "clock.h"
#include "compat.h"
#include "shared/inbox.h"
#include "shared/launcher_state.h"
#include "shared/worker_state.h"

/* The state that this process has claimed. */
static WorkerState *mine = NULL;

static void release(int code, Datum database);

/* The exit callback is registered first; it does nothing without a claim. */
WorkerState *
pgnet_worker_claim(DatabaseState *database)
{
	WorkerStatus *status = &database->worker.status;

	before_shmem_exit(release, PointerGetDatum(database));
	SpinLockAcquire(&database->mutex);
	if (status->pid == 0 && database->blockers == 0)
	{
		*status = (WorkerStatus) {
			.pid = MyProcPid,
			.proc = pgnet_my_proc_number(),
			.dirty = status->dirty
		};
		database->next_due = DT_NOEND;
		mine = &database->worker;
	}
	SpinLockRelease(&database->mutex);
	return mine;
}

/*
 * before_shmem_exit callback.  Callbacks that were registered after the claim
 * ran before this one: see inflight_global.c.
 */
static void
release(int code, Datum arg)
{
	DatabaseState *database = (DatabaseState *) DatumGetPointer(arg);
	WorkerState *worker = mine;
	TimestampTz now = pgnet_clock_now();

	(void) code;
	if (worker == NULL)
		return;
	mine = NULL;
	SpinLockAcquire(&database->mutex);
	worker->status.pid = 0;
	worker->status.ready = false;
	if (!worker->status.clean_idle_exit &&
		database->start_requested == DT_NOEND)
		database->start_requested = now;
	SpinLockRelease(&database->mutex);
	/* announced to this worker after it last looked */
	if (pgnet_inbox_has_news(worker))
		pgnet_database_request_start(database);
	pgnet_database_broadcast(database);
	pgnet_launcher_wake();
}

bool
pgnet_worker_is_me(void)
{
	return mine != NULL;
}

DatabaseState *
pgnet_worker_database(WorkerState *worker)
{
	return (DatabaseState *) ((char *) worker -
							  offsetof(DatabaseState, worker));
}

void
pgnet_worker_set_ready(WorkerState *worker)
{
	DatabaseState *database = pgnet_worker_database(worker);

	SpinLockAcquire(&database->mutex);
	worker->status.ready = true;
	database->start_requested = DT_NOEND;
	database->starts++;
	SpinLockRelease(&database->mutex);
	pgnet_database_broadcast(database);
}

void
pgnet_worker_set_idle(WorkerState *worker, bool idle)
{
	DatabaseState *database = pgnet_worker_database(worker);

	SpinLockAcquire(&database->mutex);
	worker->status.idle = idle;
	SpinLockRelease(&database->mutex);
}

void
pgnet_worker_set_yield_refused(WorkerState *worker, bool refused)
{
	DatabaseState *database = pgnet_worker_database(worker);

	SpinLockAcquire(&database->mutex);
	worker->status.yield_requested = false;
	worker->status.yield_refused = refused;
	SpinLockRelease(&database->mutex);
	pgnet_launcher_wake();
}

void
pgnet_worker_set_dirty(WorkerState *worker, bool dirty)
{
	DatabaseState *database = pgnet_worker_database(worker);

	SpinLockAcquire(&database->mutex);
	worker->status.dirty = dirty;
	SpinLockRelease(&database->mutex);
}

void
pgnet_worker_set_clean_idle_exit(WorkerState *worker, TimestampTz next_due)
{
	DatabaseState *database = pgnet_worker_database(worker);

	SpinLockAcquire(&database->mutex);
	worker->status.clean_idle_exit = true;
	database->next_due = next_due;
	SpinLockRelease(&database->mutex);
}

void
pgnet_worker_set_clean_exit(DatabaseState *database)
{
	SpinLockAcquire(&database->mutex);
	database->worker.status.clean_exit = true;
	SpinLockRelease(&database->mutex);
}
