/*
 * slots.c -- which database has which slot.
 *
 * Runs in: every process.
 *
 * Slots are given out under one lock.  A process keeps a pointer to the slot
 * of its own database only, and nobody is connected to a database that is
 * gone: so the slot of one can be given to another.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "shared/launch.h"
#include "shared/memory.h"
#include "shared/slots.h"

static WorkerSlot *give_out(Oid database);
static WorkerSlot *find_slot(Oid database);

/* Is the shared memory there? */
bool
pgnet_slots_available(void)
{
	return pgnet_shared != NULL;
}

/* Find or give out the slot of our database. */
WorkerSlot *
pgnet_slot_get(void)
{
	WorkerSlot *slot = pgnet_slot_find();

	if (slot != NULL)
		return slot;
	LWLockAcquire(pgnet_shared->lock, LW_EXCLUSIVE);
	slot = give_out(MyDatabaseId);
	if (slot != NULL)
		slot->in_use = true;
	LWLockRelease(pgnet_shared->lock);
	if (slot == NULL)
		ereport(ERROR,
				errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				errmsg("pg_net can serve at most %d databases",
					   PGNET_MAX_SLOTS),
				errhint("Drop databases, or run another server for some of them."));
	return slot;
}

/* Find the slot of our database. */
WorkerSlot *
pgnet_slot_find(void)
{
	static WorkerSlot *mine = NULL;

	if (mine != NULL)
		return mine;
	LWLockAcquire(pgnet_shared->lock, LW_SHARED);
	mine = find_slot(MyDatabaseId);
	/* others may store the same at the same time */
	if (mine != NULL)
		mine->in_use = true;
	LWLockRelease(pgnet_shared->lock);
	return mine;
}

/* Keep workers out of a database. */
WorkerSlot *
pgnet_slots_hold(Oid database, bool *is_new)
{
	WorkerSlot *slot;

	/* under the lock, so that it is not taken back in between */
	LWLockAcquire(pgnet_shared->lock, LW_EXCLUSIVE);
	*is_new = find_slot(database) == NULL;
	slot = give_out(database);
	if (slot != NULL)
		pgnet_slot_hold(slot);
	LWLockRelease(pgnet_shared->lock);
	return slot;
}

/* Let them in again; a slot that was only made for that goes. */
void
pgnet_slots_let_go(WorkerSlot *slot)
{
	pgnet_slot_let_go(slot);
	pgnet_slots_take_back(slot, false);
	pgnet_launch_call();
}

/* Have what is not the database's own removed; the launcher is called later. */
void
pgnet_slots_note_copy(Oid database, TransactionId made_by)
{
	WorkerSlot *slot;

	LWLockAcquire(pgnet_shared->lock, LW_EXCLUSIVE);
	slot = give_out(database);
	if (slot != NULL)
		pgnet_slot_set_copied(slot, made_by);
	LWLockRelease(pgnet_shared->lock);
}

/* Find or give out the slot of any database. */
WorkerSlot *
pgnet_slots_lend(Oid database)
{
	WorkerSlot *slot;

	LWLockAcquire(pgnet_shared->lock, LW_EXCLUSIVE);
	slot = give_out(database);
	LWLockRelease(pgnet_shared->lock);
	return slot;
}

/* How many places are there? */
int
pgnet_slots_count(void)
{
	int			count;

	LWLockAcquire(pgnet_shared->lock, LW_SHARED);
	count = pgnet_shared->nslots;
	LWLockRelease(pgnet_shared->lock);
	return count;
}

/* The slot at a place. */
WorkerSlot *
pgnet_slots_at(int place)
{
	return &pgnet_shared->slots[place];
}

/* Take a slot back if nobody has an interest in it. */
void
pgnet_slots_take_back(WorkerSlot *slot, bool database_is_gone)
{
	LWLockAcquire(pgnet_shared->lock, LW_EXCLUSIVE);
	if ((database_is_gone || !slot->in_use) &&
		pgnet_slot_is_unused(slot, database_is_gone))
		slot->database = InvalidOid;
	LWLockRelease(pgnet_shared->lock);
}

/* Find or make a slot; the caller holds the lock exclusively. */
static WorkerSlot *
give_out(Oid database)
{
	WorkerSlot *slot = find_slot(database);

	if (slot != NULL)
		return slot;
	slot = find_slot(InvalidOid);
	if (slot == NULL && pgnet_shared->nslots < PGNET_MAX_SLOTS)
		slot = &pgnet_shared->slots[pgnet_shared->nslots++];
	if (slot != NULL)
		pgnet_slot_init(slot, database);
	return slot;
}

/* The slot of a database, or NULL; the caller holds the lock. */
static WorkerSlot *
find_slot(Oid database)
{
	for (int i = 0; i < pgnet_shared->nslots; i++)
		if (pgnet_shared->slots[i].database == database)
			return &pgnet_shared->slots[i];
	return NULL;
}
