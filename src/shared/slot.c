/*
 * slot.c -- what processes know of one database's worker.
 *
 * Runs in: every process.
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "shared/launch.h"
#include "shared/slot.h"
#include "shared/total.h"

static void release_slot(int code, Datum slot);
static void wake_worker(WorkerSlot *slot, bool want);
static bool want(WorkerSlot *slot, TimestampTz since);

/* Make a slot. */
void
pgnet_slot_init(WorkerSlot *slot, Oid database)
{
	slot->in_use = slot->ids_renewed = false;
	slot->prepared_known = slot->prepared_unnamed = false;
	pg_atomic_init_u64(&slot->lowest_new_id, (uint64) PGNET_NOTHING_NEW);
	pg_atomic_init_u32(&slot->rows_changed, 0);
	SpinLockInit(&slot->mutex);
	slot->worker_pid = 0;
	slot->worker_proc = -1;
	slot->ready = slot->unfinished = false;
	slot->settled = slot->left_well = false;
	slot->idle = slot->turn_over = slot->permanent = false;
	slot->holds = 0;
	slot->wanted = slot->next_expiry = DT_NOEND;
	slot->copied = InvalidTransactionId;
	slot->starts = 0;
	pg_atomic_init_u32(&slot->in_flight, 0);
	pg_atomic_init_u32(&slot->waits, 0);
	pg_atomic_init_u32(&slot->changes, 0);
	ConditionVariableInit(&slot->changed);
	pg_write_barrier();
	slot->database = database;
}

/* Could the slot be another database's? */
bool
pgnet_slot_is_unused(WorkerSlot *slot, bool database_is_gone)
{
	bool		unused;

	SpinLockAcquire(&slot->mutex);
	unused = slot->worker_pid == 0 && slot->holds == 0;
	if (!database_is_gone)
		unused = unused && !slot->permanent && slot->wanted == DT_NOEND &&
			slot->next_expiry == DT_NOEND &&
			!TransactionIdIsValid(slot->copied);
	SpinLockRelease(&slot->mutex);
	return unused;
}

/*
 * Become the slot's worker.  The exit callback is registered first, and takes
 * back only what is ours.
 */
bool
pgnet_slot_claim(WorkerSlot *slot)
{
	bool		claimed;

	before_shmem_exit(release_slot, PointerGetDatum(slot));
	SpinLockAcquire(&slot->mutex);
	claimed = slot->worker_pid == 0 && slot->holds == 0;
	if (claimed)
	{
		slot->worker_pid = MyProcPid;
		slot->worker_proc = pgnet_my_proc_number();
		slot->next_expiry = DT_NOEND;
		slot->ready = slot->settled = false;
		slot->idle = slot->turn_over = false;
	}
	SpinLockRelease(&slot->mutex);
	if (claimed)
		pgnet_total_join();
	return claimed;
}

/* before_shmem_exit callback of the worker. */
static void
release_slot(int code, Datum arg)
{
	WorkerSlot *slot = (WorkerSlot *) DatumGetPointer(arg);
	TimestampTz now = GetCurrentTimestamp();
	bool		released;

	(void) code;
	SpinLockAcquire(&slot->mutex);
	released = slot->worker_pid == MyProcPid;
	if (released)
	{
		slot->worker_pid = 0;
		slot->ready = false;
		if (!slot->settled)
			want(slot, now);
	}
	SpinLockRelease(&slot->mutex);
	if (!released)
		return;
	pgnet_total_leave(slot);
	/* announced to us, too late */
	if (pg_atomic_read_u64(&slot->lowest_new_id) != (uint64) PGNET_NOTHING_NEW)
		pgnet_slot_want(slot);
	pgnet_slot_broadcast(slot);
	pgnet_launch_call();
}

/* Tell those who wait for it that the worker is at work. */
void
pgnet_slot_set_ready(WorkerSlot *slot)
{
	SpinLockAcquire(&slot->mutex);
	slot->ready = true;
	slot->wanted = DT_NOEND;
	slot->starts++;
	SpinLockRelease(&slot->mutex);
	pgnet_slot_broadcast(slot);
}

/* Tell the launcher whether the worker's place could be another's. */
void
pgnet_slot_set_idle(WorkerSlot *slot, bool idle)
{
	SpinLockAcquire(&slot->mutex);
	slot->idle = idle;
	SpinLockRelease(&slot->mutex);
}

/* What is the worker to do? */
SlotOrder
pgnet_slot_order(WorkerSlot *slot)
{
	SlotOrder	order = PGNET_ORDER_STAY;

	SpinLockAcquire(&slot->mutex);
	if (slot->holds > 0)
		order = PGNET_ORDER_LEAVE;
	else if (slot->turn_over)
		order = PGNET_ORDER_FINISH;
	SpinLockRelease(&slot->mutex);
	return order;
}

/* Is this process the slot's worker? */
bool
pgnet_slot_is_mine(WorkerSlot *slot)
{
	/* only ever set to our pid by ourselves: no lock */
	return slot->worker_pid == MyProcPid;
}

/* Is the worker to stay when it has nothing to do? */
bool
pgnet_slot_is_permanent(WorkerSlot *slot)
{
	bool		permanent;

	SpinLockAcquire(&slot->mutex);
	permanent = slot->permanent;
	SpinLockRelease(&slot->mutex);
	return permanent;
}

/* Did the worker before this one begin its work, and not leave cleanly? */
bool
pgnet_slot_is_unfinished(WorkerSlot *slot)
{
	bool		unfinished;

	SpinLockAcquire(&slot->mutex);
	unfinished = slot->unfinished;
	SpinLockRelease(&slot->mutex);
	return unfinished;
}

/* Begin the slot's work, or leave it cleanly. */
void
pgnet_slot_set_unfinished(WorkerSlot *slot, bool unfinished)
{
	SpinLockAcquire(&slot->mutex);
	slot->unfinished = unfinished;
	SpinLockRelease(&slot->mutex);
}

/* The lowest id announced since the last call, or PGNET_NOTHING_NEW. */
int64
pgnet_slot_take_new(WorkerSlot *slot)
{
	/* a plain read first: the line is shared with every committing backend */
	if ((int64) pg_atomic_read_u64(&slot->lowest_new_id) == PGNET_NOTHING_NEW)
		return PGNET_NOTHING_NEW;
	return (int64) pg_atomic_exchange_u64(&slot->lowest_new_id,
										  (uint64) PGNET_NOTHING_NEW);
}

/* Were rows changed or removed by others since the last call? */
bool
pgnet_slot_take_changed(WorkerSlot *slot)
{
	if (pg_atomic_read_u32(&slot->rows_changed) == 0)
		return false;
	return pg_atomic_exchange_u32(&slot->rows_changed, 0) != 0;
}

/* Tell all who wait for something about the slot to look again. */
void
pgnet_slot_broadcast(WorkerSlot *slot)
{
	pg_atomic_fetch_add_u32(&slot->changes, 1);
	ConditionVariableBroadcast(&slot->changed);
}

/* Leave with nothing left to do. */
void
pgnet_slot_settle(WorkerSlot *slot, TimestampTz next_expiry)
{
	SpinLockAcquire(&slot->mutex);
	slot->settled = true;
	slot->next_expiry = next_expiry;
	SpinLockRelease(&slot->mutex);
}

/* End in order. */
void
pgnet_slot_leave(WorkerSlot *slot)
{
	SpinLockAcquire(&slot->mutex);
	slot->left_well = true;
	SpinLockRelease(&slot->mutex);
}

/* Another number each time there was a change. */
uint32
pgnet_slot_changes(WorkerSlot *slot)
{
	return pg_atomic_read_u32(&slot->changes);
}

/* How often was a worker ready? */
uint32
pgnet_slot_starts(WorkerSlot *slot)
{
	uint32		starts;

	SpinLockAcquire(&slot->mutex);
	starts = slot->starts;
	SpinLockRelease(&slot->mutex);
	return starts;
}

/* Is the worker at work? */
bool
pgnet_slot_is_ready(WorkerSlot *slot)
{
	bool		ready;

	SpinLockAcquire(&slot->mutex);
	ready = slot->worker_pid != 0 && slot->ready;
	SpinLockRelease(&slot->mutex);
	return ready;
}

/*
 * Say that there are new rows from id on, and wake the worker.  Called after
 * commit: must not throw.  The exchange of the worker and this one are full
 * barriers, so either the worker sees the id or the id comes before its look.
 */
void
pgnet_slot_announce(WorkerSlot *slot, int64 id)
{
	uint64		lowest = pg_atomic_read_u64(&slot->lowest_new_id);

	while (id < (int64) lowest &&
		   !pg_atomic_compare_exchange_u64(&slot->lowest_new_id, &lowest,
										   (uint64) id))
		;
	wake_worker(slot, true);
}

/*
 * Say that rows were changed or removed, to the worker and to those who wait
 * for one of them.  Called after commit: must not throw.
 */
void
pgnet_slot_announce_changed(WorkerSlot *slot)
{
	pg_atomic_write_u32(&slot->rows_changed, 1);
	wake_worker(slot, false);
	pgnet_slot_broadcast(slot);
}

/* Have the worker look. */
void
pgnet_slot_wake(WorkerSlot *slot)
{
	wake_worker(slot, false);
}

/* Have a worker started. */
void
pgnet_slot_want(WorkerSlot *slot)
{
	wake_worker(slot, true);
}

/* Set the latch of the slot's worker, or have one started if one is wanted. */
static void
wake_worker(WorkerSlot *slot, bool wants)
{
	int			worker_proc = -1;
	bool		new_want = false;

	SpinLockAcquire(&slot->mutex);
	if (slot->worker_pid != 0)
		worker_proc = slot->worker_proc;
	else if (wants)
		new_want = want(slot, GetCurrentStatementStartTimestamp());
	SpinLockRelease(&slot->mutex);

	/* a worker that just left: somebody else's latch is set once in vain */
	if (worker_proc >= 0)
		SetLatch(&GetPGProcByNumber(worker_proc)->procLatch);
	if (new_want)
		pgnet_launch_call();
}

/* Want a worker; true when that is new.  The caller holds the mutex. */
static bool
want(WorkerSlot *slot, TimestampTz since)
{
	if (slot->wanted != DT_NOEND)
		return false;
	slot->wanted = since;
	return true;
}

/* Since when is it waited for? */
TimestampTz
pgnet_slot_wanted_since(WorkerSlot *slot)
{
	TimestampTz since;

	SpinLockAcquire(&slot->mutex);
	since = slot->wanted;
	SpinLockRelease(&slot->mutex);
	return since;
}

/* Count the worker as gone; one that is there comes back when it has left. */
pid_t
pgnet_slot_dismiss(WorkerSlot *slot)
{
	pid_t		pid;

	pgnet_slot_want(slot);
	SpinLockAcquire(&slot->mutex);
	slot->ready = false;
	pid = slot->worker_pid;
	SpinLockRelease(&slot->mutex);
	return pid;
}

/* Keep workers out. */
void
pgnet_slot_hold(WorkerSlot *slot)
{
	SpinLockAcquire(&slot->mutex);
	slot->holds++;
	SpinLockRelease(&slot->mutex);
	pgnet_slot_wake(slot);
}

/* Let them in again. */
void
pgnet_slot_let_go(WorkerSlot *slot)
{
	SpinLockAcquire(&slot->mutex);
	slot->holds--;
	SpinLockRelease(&slot->mutex);
}

/* The worker's pid, or 0. */
pid_t
pgnet_slot_worker(WorkerSlot *slot)
{
	pid_t		pid;

	SpinLockAcquire(&slot->mutex);
	pid = slot->worker_pid;
	SpinLockRelease(&slot->mutex);
	return pid;
}

/* Who made the database as a copy? */
TransactionId
pgnet_slot_copied(WorkerSlot *slot)
{
	TransactionId copied;

	SpinLockAcquire(&slot->mutex);
	copied = slot->copied;
	SpinLockRelease(&slot->mutex);
	return copied;
}

/* It is a copy, or nothing is left of that. */
void
pgnet_slot_set_copied(WorkerSlot *slot, TransactionId made_by)
{
	SpinLockAcquire(&slot->mutex);
	slot->copied = made_by;
	SpinLockRelease(&slot->mutex);
}
