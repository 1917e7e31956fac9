/*
 * slots.h -- shared memory: one slot for each database we know.
 *
 * Runs in: every process.
 */
#ifndef PGNET_SLOTS_H
#define PGNET_SLOTS_H

#include "postgres.h"

#include "port/atomics.h"
#include "storage/condition_variable.h"
#include "storage/spin.h"

/* lowest_new_id when nothing is new, and when everything is to be looked at */
#define PGNET_NOTHING_NEW PG_INT64_MAX
#define PGNET_LOOK_AT_ALL PG_INT64_MIN

/*
 * What processes know of one database's worker.  A slot, once given to a
 * database, stays with it until the server restarts, so a pointer to one may
 * be kept.
 */
typedef struct WorkerSlot
{
	Oid			database;		/* set once, under the slots lock */

	/* since the worker last looked: the lowest id queued; see wakeup.c */
	pg_atomic_uint64 lowest_new_id;

	/* since the worker last looked: did others change or remove rows? */
	pg_atomic_uint32 rows_changed;

	slock_t		mutex;			/* protects the next four */
	pid_t		worker_pid;		/* 0: no worker */
	int			worker_proc;	/* its index among the PGPROCs */
	bool		ready;			/* connected, at work, not asked to leave */
	bool		unfinished;		/* a worker began and has not left cleanly */

	/* counts the changes that are broadcast */
	pg_atomic_uint32 changes;

	/* broadcast when responses were recorded and when ready changes */
	ConditionVariable changed;
} WorkerSlot;

/* Ask for the shared memory; called while the server starts. */
extern void pgnet_slots_init(void);

/* Is the shared memory there?  Only with shared_preload_libraries. */
extern bool pgnet_slots_available(void);

/*
 * The slot of a database, given to it now if need be.  Throws
 * configuration_limit_exceeded when all are given away.
 */
extern WorkerSlot *pgnet_slot_get(Oid database);

/* The slot of a database, or NULL when it has none. */
extern WorkerSlot *pgnet_slot_find(Oid database);

/* The worker's side: serve the slot until the process exits. */
extern void pgnet_slot_claim(WorkerSlot *slot);
extern void pgnet_slot_set_ready(WorkerSlot *slot);
extern bool pgnet_slot_is_mine(WorkerSlot *slot);
extern bool pgnet_slot_is_unfinished(WorkerSlot *slot);
extern void pgnet_slot_set_unfinished(WorkerSlot *slot, bool unfinished);
extern int64 pgnet_slot_take_new(WorkerSlot *slot);
extern bool pgnet_slot_take_changed(WorkerSlot *slot);
extern void pgnet_slot_broadcast(WorkerSlot *slot);

/* Everybody's side. */
extern uint32 pgnet_slot_changes(WorkerSlot *slot);
extern bool pgnet_slot_is_ready(WorkerSlot *slot);
extern void pgnet_slot_announce(WorkerSlot *slot, int64 id);
extern void pgnet_slot_announce_changed(WorkerSlot *slot);

/*
 * Count the worker of a database as gone from now on; its pid, to be sent a
 * SIGTERM, or 0.  When that database has none, any other worker.
 */
extern pid_t pgnet_slot_dismiss(Oid database);

/*
 * Starts of a worker since the last that went well, this one not counted:
 * the one that starts waits the longer the more there were.
 */
extern int	pgnet_starts_begin(void);
extern void pgnet_starts_succeed(void);

#endif							/* PGNET_SLOTS_H */
