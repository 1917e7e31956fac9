/*
 * total.c -- requests in flight of all workers together.
 *
 * Runs in: workers.
 *
 * A worker that is refused waits, and is starving while it has less in flight
 * than its share of the limit.  As long as one is starving, those that have
 * their share get no more: what they give back is for others.
 */
#include "postgres.h"

#include "shared/memory.h"
#include "shared/total.h"

/* What a slot's worker waits for. */
enum
{
	WAITS_FOR_NOTHING,
	WAITS_FOR_MORE,				/* than its share */
	WAITS_FOR_SHARE
};

/* This worker counts one more than it has in flight: the next one. */
static bool reserved = false;

/* Of this worker, since it last settled. */
static bool refused = false;
static bool gave_back = false;

static bool has_share(WorkerSlot *slot, int limit);
static bool reserve(WorkerSlot *slot, int limit);
static void set_waits(WorkerSlot *slot, uint32 waits);
static void wake_waiting(WorkerSlot *giver);

/* One more worker. */
void
pgnet_total_join(void)
{
	pg_atomic_fetch_add_u32(&pgnet_shared->nworkers, 1);
}

/* One less. */
void
pgnet_total_leave(WorkerSlot *slot)
{
	uint32		in_flight = pg_atomic_exchange_u32(&slot->in_flight, 0);

	pg_atomic_fetch_sub_u32(&pgnet_shared->nworkers, 1);
	pg_atomic_fetch_sub_u32(&pgnet_shared->in_flight, in_flight);
	set_waits(slot, WAITS_FOR_NOTHING);
	wake_waiting(slot);
}

/* May it have one more? */
bool
pgnet_total_is_left(WorkerSlot *slot, int limit)
{
	if (reserved || reserve(slot, limit))
		return true;
	refused = true;
	set_waits(slot, has_share(slot, limit) ? WAITS_FOR_MORE : WAITS_FOR_SHARE);
	/* whoever gave back before that did not see us wait */
	return reserve(slot, limit);
}

/* One more. */
void
pgnet_total_take(WorkerSlot *slot)
{
	Assert(reserved);
	(void) slot;
	reserved = false;
}

/* One less. */
void
pgnet_total_give_back(WorkerSlot *slot)
{
	pg_atomic_fetch_sub_u32(&slot->in_flight, 1);
	pg_atomic_fetch_sub_u32(&pgnet_shared->in_flight, 1);
	gave_back = true;
}

/* Let others have what was given back. */
void
pgnet_total_settle(WorkerSlot *slot)
{
	if (reserved)
		pgnet_total_give_back(slot);
	reserved = false;
	if (!refused)
		set_waits(slot, WAITS_FOR_NOTHING);
	if (gave_back)
		wake_waiting(slot);
	refused = gave_back = false;
}

/* Has it as much as each may have? */
static bool
has_share(WorkerSlot *slot, int limit)
{
	uint32		nworkers = pg_atomic_read_u32(&pgnet_shared->nworkers);
	uint32		share = (uint32) limit / Max(nworkers, 1);

	return pg_atomic_read_u32(&slot->in_flight) >= Max(share, 1);
}

/* Count one more, if there is room and nobody needs it more. */
static bool
reserve(WorkerSlot *slot, int limit)
{
	uint32		in_flight = pg_atomic_read_u32(&pgnet_shared->in_flight);

	if (pg_atomic_read_u32(&pgnet_shared->nstarving) > 0 &&
		has_share(slot, limit))
		return false;
	do
	{
		if (in_flight >= (uint32) limit)
			return false;
	} while (!pg_atomic_compare_exchange_u32(&pgnet_shared->in_flight,
											 &in_flight, in_flight + 1));
	pg_atomic_fetch_add_u32(&slot->in_flight, 1);
	reserved = true;
	return true;
}

/* Wait, or not; only the slot's worker calls this. */
static void
set_waits(WorkerSlot *slot, uint32 waits)
{
	uint32		before = pg_atomic_exchange_u32(&slot->waits, waits);

	if (before == waits)
		return;
	if (before == WAITS_FOR_NOTHING)
		pg_atomic_fetch_add_u32(&pgnet_shared->nwaiting, 1);
	if (waits == WAITS_FOR_NOTHING)
		pg_atomic_fetch_sub_u32(&pgnet_shared->nwaiting, 1);
	if (waits == WAITS_FOR_SHARE)
		pg_atomic_fetch_add_u32(&pgnet_shared->nstarving, 1);
	/* the last that starved: others may have more than their share */
	if (before == WAITS_FOR_SHARE &&
		pg_atomic_fetch_sub_u32(&pgnet_shared->nstarving, 1) == 1)
		gave_back = true;
}

/* Set the latches of those that wait. */
static void
wake_waiting(WorkerSlot *giver)
{
	if (pg_atomic_read_u32(&pgnet_shared->nwaiting) == 0)
		return;
	for (int i = 0; i < pgnet_shared->nslots; i++)
	{
		WorkerSlot *slot = &pgnet_shared->slots[i];

		if (slot != giver &&
			pg_atomic_read_u32(&slot->waits) != WAITS_FOR_NOTHING)
			pgnet_slot_wake(slot);
	}
}
