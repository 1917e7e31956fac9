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
 * Keep workers out of a database, any one, until pgnet_slot_let_go(); its
 * slot, given to it now if need be, or NULL when all are given away.
 */
extern WorkerSlot *pgnet_slots_hold(Oid database);

/* The launcher's side: the slot of any database, or NULL. */
extern WorkerSlot *pgnet_slots_lend(Oid database);

/* Slots by their place, 0 to count - 1. */
extern int	pgnet_slots_count(void);
extern WorkerSlot *pgnet_slots_at(int place);

/*
 * Take a slot back: that of a database which is gone, or one that no process
 * but the launcher has seen.  Does nothing when somebody uses it.
 */
extern void pgnet_slots_take_back(WorkerSlot *slot, bool database_is_gone);

#endif							/* PGNET_SLOTS_H */
