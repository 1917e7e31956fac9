/*
 * slots.h -- which database has which slot.
 *
 * Runs in: every process.
 */
#ifndef PGNET_SLOTS_H
#define PGNET_SLOTS_H

#include "postgres.h"

#include "shared/slot.h"

/* Ask for the shared memory; called while the server starts. */
extern void pgnet_slots_init(void);

/* Is the shared memory there?  Only with shared_preload_libraries. */
extern bool pgnet_slots_available(void);

/*
 * The slot of the database this process is connected to, given to it now if
 * need be.  Throws configuration_limit_exceeded when all are given away.  A
 * pointer to it may be kept: the slot stays as long as the database.
 */
extern WorkerSlot *pgnet_slot_get(void);

/* The same, but NULL when it has none. */
extern WorkerSlot *pgnet_slot_find(void);

/*
 * Keep workers out of a database, any one, and have the one that is there
 * leave, until let go as often as held.  Its slot, given to it now if need be
 * (*is_new), or NULL when all are given away.  pgnet_slots_let_go() must not
 * throw.
 */
extern WorkerSlot *pgnet_slots_hold(Oid database, bool *is_new);
extern void pgnet_slots_let_go(WorkerSlot *slot);

/*
 * A database is a copy, made by that transaction: rows queued before are not
 * its own.  Must not throw.
 */
extern void pgnet_slots_note_copy(Oid database, TransactionId made_by);

/* The slot of any database, or NULL, for its own processes and the launcher. */
extern WorkerSlot *pgnet_slots_lend(Oid database);

/* Slots by their place, 0 to count - 1. */
extern int	pgnet_slots_count(void);
extern WorkerSlot *pgnet_slots_at(int place);

/*
 * Take a slot back: that of a database which is gone, or one that no backend
 * has a pointer to.  Does nothing while it is needed.
 */
extern void pgnet_slots_take_back(WorkerSlot *slot, bool database_is_gone);

#endif							/* PGNET_SLOTS_H */
