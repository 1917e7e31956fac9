/*
 * database_state.c -- what processes know of a database and its worker.
 *
 * Runs in: every process.
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "utils/timestamp.h"

#include "clock.h"
#include "compat.h"
#include "shared/database_state.h"
#include "shared/launcher_state.h"

static void wake_worker(DatabaseState *database, bool request_start);

void
pgnet_database_init(DatabaseState *database, Oid oid)
{
	WorkerState *worker = &database->worker;

	database->in_use = database->ids_renewed = false;
	database->prepared_known = database->prepared_unnamed = false;
	database->said_refused = DT_NOBEGIN;
	SpinLockInit(&database->mutex);
	database->blockers = 0;
	database->keep_alive = false;
	database->start_requested = database->next_due = DT_NOEND;
	database->copied = InvalidTransactionId;
	database->starts = 0;
	pg_atomic_init_u64(&worker->lowest_new_id, (uint64) PGNET_NOTHING_NEW);
	pg_atomic_init_u32(&worker->rows_changed, 0);
	pg_atomic_init_u64(&worker->news_since, 0);
	worker->status = (WorkerStatus) {.proc = -1};
	pg_atomic_init_u32(&worker->in_flight, 0);
	worker->inflight_ids = InvalidDsaPointer;
	pg_atomic_init_u32(&worker->waits, 0);
	database->callbacks = (CallbackStatus) {
		.proc = -1,
		.requested = DT_NOEND,
		.careful_until = DT_NOBEGIN
	};
	pg_atomic_init_u32(&database->changes, 0);
	ConditionVariableInit(&database->changed);
	pg_write_barrier();
	database->database = oid;
}

DatabaseSnapshot
pgnet_database_snapshot(DatabaseState *database)
{
	DatabaseSnapshot snapshot;

	SpinLockAcquire(&database->mutex);
	snapshot = (DatabaseSnapshot) {
		.workers_blocked = database->blockers > 0,
		.keep_alive = database->keep_alive,
		.start_requested = database->start_requested,
		.next_due = database->next_due,
		.copied = database->copied,
		.starts = database->starts,
		.worker = database->worker.status,
		.callbacks = database->callbacks
	};
	SpinLockRelease(&database->mutex);
	return snapshot;
}

bool
pgnet_database_is_unused(DatabaseState *database, bool is_gone)
{
	DatabaseSnapshot now = pgnet_database_snapshot(database);

	if (now.worker.pid != 0 || now.callbacks.pid != 0 || now.workers_blocked)
		return false;
	/* when they end, they look for themselves here */
	for (int i = 0; i < PGNET_MAX_STUCK; i++)
		if (now.callbacks.stuck[i].pid != 0)
			return false;
	return is_gone ||
		(!now.keep_alive && now.start_requested == DT_NOEND &&
		 now.next_due == DT_NOEND && now.callbacks.requested == DT_NOEND &&
		 !TransactionIdIsValid(now.copied));
}

void
pgnet_database_wake(DatabaseState *database)
{
	wake_worker(database, false);
}

void
pgnet_database_request_start(DatabaseState *database)
{
	wake_worker(database, true);
}

/*
 * Under one lock: either there is a worker to wake, or the start is requested.
 * A worker that leaves with something to do requests the start itself.
 */
static void
wake_worker(DatabaseState *database, bool request_start)
{
	TimestampTz now = pgnet_clock_now();
	int			proc = -1;
	bool		is_new = false;

	SpinLockAcquire(&database->mutex);
	if (database->worker.status.pid != 0)
		proc = database->worker.status.proc;
	else if (request_start && database->start_requested == DT_NOEND)
	{
		database->start_requested = now;
		is_new = true;
	}
	SpinLockRelease(&database->mutex);

	/* if the worker just left, another process is woken for nothing */
	if (proc >= 0)
		SetLatch(&GetPGProcByNumber(proc)->procLatch);
	if (is_new)
		pgnet_launcher_wake();
}

pid_t
pgnet_database_dismiss_worker(DatabaseState *database)
{
	pid_t		pid;

	pgnet_database_request_start(database);
	SpinLockAcquire(&database->mutex);
	database->worker.status.ready = false;
	pid = database->worker.status.pid;
	SpinLockRelease(&database->mutex);
	return pid;
}

void
pgnet_database_block_workers(DatabaseState *database)
{
	SpinLockAcquire(&database->mutex);
	database->blockers++;
	SpinLockRelease(&database->mutex);
	pgnet_database_wake(database);
}

void
pgnet_database_unblock_workers(DatabaseState *database)
{
	SpinLockAcquire(&database->mutex);
	database->blockers--;
	SpinLockRelease(&database->mutex);
}

void
pgnet_database_set_copied(DatabaseState *database, TransactionId made_by)
{
	SpinLockAcquire(&database->mutex);
	database->copied = made_by;
	SpinLockRelease(&database->mutex);
}

void
pgnet_database_broadcast(DatabaseState *database)
{
	pg_atomic_fetch_add_u32(&database->changes, 1);
	ConditionVariableBroadcast(&database->changed);
}

uint32
pgnet_database_changes(DatabaseState *database)
{
	return pg_atomic_read_u32(&database->changes);
}

void
pgnet_database_set_keep_alive(DatabaseState *database, bool keep_alive)
{
	bool		changed;

	SpinLockAcquire(&database->mutex);
	changed = database->keep_alive != keep_alive;
	database->keep_alive = keep_alive;
	SpinLockRelease(&database->mutex);
	/* it computes anew when it is to leave */
	if (changed)
		pgnet_database_wake(database);
}

void
pgnet_database_expire_now(DatabaseState *database)
{
	SpinLockAcquire(&database->mutex);
	if (database->next_due != DT_NOEND)
		database->next_due = DT_NOBEGIN;
	SpinLockRelease(&database->mutex);
}

void
pgnet_database_mark_starting(DatabaseState *database)
{
	SpinLockAcquire(&database->mutex);
	database->worker.status.clean_exit = false;
	SpinLockRelease(&database->mutex);
}

void
pgnet_database_request_yield(DatabaseState *database, bool requested)
{
	SpinLockAcquire(&database->mutex);
	database->worker.status.yield_requested = requested;
	SpinLockRelease(&database->mutex);
	pgnet_database_wake(database);
}
