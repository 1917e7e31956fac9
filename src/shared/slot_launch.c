/*
 * slot_launch.c -- what the launcher asks and decides about a slot.
 *
 * Runs in: the launcher.
 */
#include "postgres.h"

#include "access/transam.h"

#include "shared/slot.h"

/* What is a worker needed for? */
SlotNeed
pgnet_slot_need(WorkerSlot *slot, TimestampTz wall, TimestampTz *since)
{
	SlotNeed	need = PGNET_NEED_NOTHING;

	*since = DT_NOEND;
	SpinLockAcquire(&slot->mutex);
	if (slot->worker_pid != 0 || slot->holds > 0)
		;
	else if (slot->wanted != DT_NOEND)
	{
		need = PGNET_NEED_WORKER;
		*since = slot->wanted;
	}
	else if (slot->next_expiry <= wall)
	{
		need = PGNET_NEED_EXPIRY;
		*since = slot->next_expiry;
	}
	else if (TransactionIdIsValid(slot->copied))
		need = PGNET_NEED_LOOK;
	else if (slot->permanent)
		need = PGNET_NEED_PERMANENT;
	else
		*since = slot->next_expiry;
	SpinLockRelease(&slot->mutex);
	return need;
}

/* Is its worker to stay when it has nothing to do? */
void
pgnet_slot_set_permanent(WorkerSlot *slot, bool permanent)
{
	bool		changed;

	SpinLockAcquire(&slot->mutex);
	changed = slot->permanent != permanent;
	slot->permanent = permanent;
	SpinLockRelease(&slot->mutex);
	/* it may have to wait for its time to leave */
	if (changed)
		pgnet_slot_wake(slot);
}

/* Without a worker: what was not due may be so now. */
void
pgnet_slot_expire_now(WorkerSlot *slot)
{
	SpinLockAcquire(&slot->mutex);
	if (slot->next_expiry != DT_NOEND)
		slot->next_expiry = DT_NOBEGIN;
	SpinLockRelease(&slot->mutex);
}

/* Has it a worker, and doing what? */
bool
pgnet_slot_is_busy(WorkerSlot *slot, bool *idle, bool *turn_over)
{
	bool		busy;

	SpinLockAcquire(&slot->mutex);
	busy = slot->worker_pid != 0;
	*idle = slot->idle;
	*turn_over = slot->turn_over;
	SpinLockRelease(&slot->mutex);
	return busy;
}

/* Its worker is to make room for others, or need not any more. */
void
pgnet_slot_set_turn_over(WorkerSlot *slot, bool turn_over)
{
	SpinLockAcquire(&slot->mutex);
	slot->turn_over = turn_over;
	SpinLockRelease(&slot->mutex);
	pgnet_slot_wake(slot);
}

/* A process is started. */
void
pgnet_slot_expect(WorkerSlot *slot)
{
	SpinLockAcquire(&slot->mutex);
	slot->left_well = false;
	SpinLockRelease(&slot->mutex);
}

/* Did it end in order? */
bool
pgnet_slot_left_well(WorkerSlot *slot)
{
	bool		well;

	SpinLockAcquire(&slot->mutex);
	well = slot->left_well;
	SpinLockRelease(&slot->mutex);
	return well;
}
