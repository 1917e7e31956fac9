/*
 * slot.h -- what processes know of one database's worker.
 *
 * Runs in: every process.  Everything in a slot is a fact about processes,
 * never a pointer or a descriptor: a process that dies leaves nothing behind
 * that could not be read.
 */
#ifndef PGNET_SLOT_H
#define PGNET_SLOT_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "port/atomics.h"
#include "storage/condition_variable.h"
#include "storage/spin.h"

/* lowest_new_id when nothing is new, and when everything is to be looked at */
#define PGNET_NOTHING_NEW PG_INT64_MAX
#define PGNET_LOOK_AT_ALL PG_INT64_MIN

typedef struct WorkerSlot
{
	Oid			database;		/* InvalidOid: free; see slots.c */
	bool		in_use;			/* a backend of that database knows it */
	bool		ids_renewed;	/* see tables/installation.h */
	bool		prepared_known; /* see prepared.c: none is from before */
	bool		prepared_unnamed;	/* there was one whose name we missed */

	/* since the worker last looked: the lowest id queued; see wakeup.c */
	pg_atomic_uint64 lowest_new_id;

	/* since the worker last looked: did others change or remove rows? */
	pg_atomic_uint32 rows_changed;

	slock_t		mutex;			/* protects all from here to starts */
	pid_t		worker_pid;		/* 0: no worker */
	int			worker_proc;	/* its index among the PGPROCs */
	bool		ready;			/* connected, at work, not asked to leave */
	bool		unfinished;		/* a worker began and has not left cleanly */
	bool		settled;		/* it leaves with nothing left to do */
	bool		left_well;		/* and by itself, or because it was asked to */
	bool		idle;			/* it has nothing to do */
	bool		turn_over;		/* others wait for its place */
	bool		permanent;		/* pg_net.database_name names the database */
	int			holds;			/* processes that keep workers out */
	TimestampTz wanted;			/* since when; DT_NOEND: no worker is wanted */
	TimestampTz next_expiry;	/* without a worker; DT_NOEND: none */
	TransactionId copied;		/* the database is a copy; see below */
	uint32		starts;			/* how often a worker became ready */

	/* of those in flight in all; see total.c */
	pg_atomic_uint32 in_flight;
	pg_atomic_uint32 waits;

	/* counts the changes that are broadcast */
	pg_atomic_uint32 changes;

	/* broadcast when responses were recorded and when ready changes */
	ConditionVariable changed;
} WorkerSlot;

/* Why a database needs a worker, the most urgent first. */
typedef enum SlotNeed
{
	PGNET_NEED_WORKER,			/* something was committed, or it died */
	PGNET_NEED_EXPIRY,			/* responses are due to go */
	PGNET_NEED_LOOK,			/* it is a copy: no worker, but a look */
	PGNET_NEED_PERMANENT,		/* the setting says so */
	PGNET_NEED_NOTHING
} SlotNeed;

/* What the worker has to do about staying. */
typedef enum SlotOrder
{
	PGNET_ORDER_STAY,
	PGNET_ORDER_FINISH,			/* take nothing new, then leave */
	PGNET_ORDER_LEAVE
} SlotOrder;

/* Make a slot of memory; its database is visible when all else is. */
extern void pgnet_slot_init(WorkerSlot *slot, Oid database);

/* Does nobody need it: no process, and unless it is gone no work either? */
extern bool pgnet_slot_is_unused(WorkerSlot *slot, bool database_is_gone);

/*
 * The worker's side: serve the slot until the process exits.  False when
 * another one does, or somebody keeps workers out.
 */
extern bool pgnet_slot_claim(WorkerSlot *slot);
extern void pgnet_slot_set_ready(WorkerSlot *slot);
extern void pgnet_slot_set_idle(WorkerSlot *slot, bool idle);
extern SlotOrder pgnet_slot_order(WorkerSlot *slot);
extern bool pgnet_slot_is_mine(WorkerSlot *slot);
extern bool pgnet_slot_is_permanent(WorkerSlot *slot);
extern bool pgnet_slot_is_unfinished(WorkerSlot *slot);
extern void pgnet_slot_set_unfinished(WorkerSlot *slot, bool unfinished);
extern int64 pgnet_slot_take_new(WorkerSlot *slot);
extern bool pgnet_slot_take_changed(WorkerSlot *slot);
extern void pgnet_slot_broadcast(WorkerSlot *slot);

/*
 * This worker leaves with nothing left to do but to expire a response then;
 * one that leaves without saying so is started again.
 */
extern void pgnet_slot_settle(WorkerSlot *slot, TimestampTz next_expiry);

/* This process ends in order; else it is a failure. */
extern void pgnet_slot_leave(WorkerSlot *slot);

/* Everybody's side. */
extern uint32 pgnet_slot_changes(WorkerSlot *slot);
extern uint32 pgnet_slot_starts(WorkerSlot *slot);
extern bool pgnet_slot_is_ready(WorkerSlot *slot);
extern void pgnet_slot_announce(WorkerSlot *slot, int64 id);
extern void pgnet_slot_announce_changed(WorkerSlot *slot);

/* Set the latch of the worker, if there is one. */
extern void pgnet_slot_wake(WorkerSlot *slot);

/* Have a worker started, if there is none. */
extern void pgnet_slot_want(WorkerSlot *slot);

/* Since when is a worker wanted that is not there?  DT_NOEND: none is. */
extern TimestampTz pgnet_slot_wanted_since(WorkerSlot *slot);

/*
 * Count the worker as gone from now on; its pid, to be sent a SIGTERM, or 0
 * when there is none.  Another one is started in any case.
 */
extern pid_t pgnet_slot_dismiss(WorkerSlot *slot);

/* For slots.c: see pgnet_slots_hold(). */
extern void pgnet_slot_hold(WorkerSlot *slot);
extern void pgnet_slot_let_go(WorkerSlot *slot);

/* The worker's pid, or 0. */
extern pid_t pgnet_slot_worker(WorkerSlot *slot);

/*
 * The transaction that made the database as a copy of another, with all that
 * was queued there; invalid when it is none, or the worker has removed that.
 */
extern TransactionId pgnet_slot_copied(WorkerSlot *slot);
extern void pgnet_slot_set_copied(WorkerSlot *slot, TransactionId made_by);

/*
 * The launcher's side.  pgnet_slot_need(): what a worker is needed for now, by
 * the wall clock, and *since when; when for nothing, *since is when one may
 * be, or DT_NOEND.
 */
extern SlotNeed pgnet_slot_need(WorkerSlot *slot, TimestampTz wall,
								TimestampTz *since);
extern void pgnet_slot_set_permanent(WorkerSlot *slot, bool permanent);
extern void pgnet_slot_expire_now(WorkerSlot *slot);
extern bool pgnet_slot_is_busy(WorkerSlot *slot, bool *idle, bool *turn_over);
extern void pgnet_slot_set_turn_over(WorkerSlot *slot, bool turn_over);

/* A process is started for the slot; did it end in order? */
extern void pgnet_slot_expect(WorkerSlot *slot);
extern bool pgnet_slot_left_well(WorkerSlot *slot);

#endif							/* PGNET_SLOT_H */
