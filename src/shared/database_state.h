/*
 * database_state.h -- what processes know of a database and its worker.
 *
 * Runs in: every process.  Everything here is a fact about processes, never a
 * pointer or a descriptor: a process that dies leaves nothing behind that
 * could not be read.
 *
 * A database has one worker.  With several, `worker` becomes an array of them,
 * and what is said of "the worker" here is done for each.
 */
#ifndef PGNET_DATABASE_STATE_H
#define PGNET_DATABASE_STATE_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "port/atomics.h"
#include "storage/condition_variable.h"
#include "storage/spin.h"
#include "utils/dsa.h"

/* lowest_new_id when nothing is new, and when everything is to be looked at */
#define PGNET_NOTHING_NEW PG_INT64_MAX
#define PGNET_LOOK_AT_ALL PG_INT64_MIN

/* Of a worker: protected by the mutex of its database. */
typedef struct WorkerStatus
{
	pid_t		pid;			/* 0: there is none, and all but dirty is old */
	int			proc;			/* its index among the PGPROCs */
	bool		ready;			/* connected, at work, not asked to restart */
	bool		idle;			/* it has nothing to do */
	bool		yield_requested;	/* another database needs a process */
	bool		yield_refused;	/* it has requests in flight that last */
	bool		dirty;			/* one began its work and did not end it */
	bool		clean_exit;		/* it leaves by itself, or was asked to */
	bool		clean_idle_exit;	/* and nothing is left to do */
} WorkerStatus;

typedef struct WorkerState
{
	/* what is new since the worker last looked: see inbox.c */
	pg_atomic_uint64 lowest_new_id;
	pg_atomic_uint32 rows_changed;

	WorkerStatus status;

	/* see inflight_global.c */
	pg_atomic_uint32 in_flight;
	pg_atomic_uint32 waits;

	dsa_pointer inflight_ids;	/* see inflight_ids.c */
} WorkerState;

typedef struct DatabaseState
{
	Oid			database;		/* InvalidOid: free; see registry.c */
	bool		in_use;			/* a backend of that database knows it */
	bool		ids_renewed;	/* see tables/recovery/installation.h */
	bool		prepared_known; /* see prepared.c: none is from before */
	bool		prepared_unnamed;	/* there was one whose name we missed */
	TimestampTz said_refused;	/* when a worker last logged it: lifetime.c */

	slock_t		mutex;			/* protects all from here to worker.status */
	int			blockers;		/* processes that keep workers out */
	bool		keep_alive;		/* pg_net.database_name names the database */
	TimestampTz start_requested;	/* since when; DT_NOEND: it is not */
	TimestampTz next_due;		/* without a worker; DT_NOEND: none */
	TransactionId copied;		/* see DatabaseSnapshot */
	uint32		starts;			/* how often a worker became ready */
	WorkerState worker;

	/* counts the changes that are broadcast */
	pg_atomic_uint32 changes;

	/* broadcast when responses were recorded and when a worker is ready */
	ConditionVariable changed;
} DatabaseState;

/* The protected part at one moment. */
typedef struct DatabaseSnapshot
{
	bool		workers_blocked;
	bool		keep_alive;
	TimestampTz start_requested;
	TimestampTz next_due;

	/*
	 * The transaction that made the database as a copy of another, with all
	 * that was queued there; invalid when it is no copy, or a worker has
	 * removed those rows.
	 */
	TransactionId copied;
	uint32		starts;
	WorkerStatus worker;
} DatabaseSnapshot;

/* Initialize it; its database is visible when all else is. */
extern void pgnet_database_init(DatabaseState *database, Oid oid);

extern DatabaseSnapshot pgnet_database_snapshot(DatabaseState *database);

/*
 * Does nobody need it: no process, and unless the database is gone no work
 * either?
 */
extern bool pgnet_database_is_unused(DatabaseState *database, bool is_gone);

/* Set the latch of the worker, if there is one.  Must not throw. */
extern void pgnet_database_wake(DatabaseState *database);

/* The same; have a worker started if there is none.  Must not throw. */
extern void pgnet_database_request_start(DatabaseState *database);

/*
 * Count the worker as gone from now on; its pid, to be sent a SIGTERM, or 0
 * when there is none.  Another one is started in any case.
 */
extern pid_t pgnet_database_dismiss_worker(DatabaseState *database);

/*
 * Keep workers out and have the one that is there leave, until unblocked as
 * often.  For registry.c.
 */
extern void pgnet_database_block_workers(DatabaseState *database);
extern void pgnet_database_unblock_workers(DatabaseState *database);

/* See DatabaseSnapshot. */
extern void pgnet_database_set_copied(DatabaseState *database,
									  TransactionId made_by);

/* Wake those who wait for responses, or for the worker. */
extern void pgnet_database_broadcast(DatabaseState *database);

/* A number that is another one after each broadcast. */
extern uint32 pgnet_database_changes(DatabaseState *database);

/*
 * The launcher's side.  Is the worker to stay when it has nothing to do?
 */
extern void pgnet_database_set_keep_alive(DatabaseState *database,
										  bool keep_alive);

/* Without a worker: responses that were not due may be so now. */
extern void pgnet_database_expire_now(DatabaseState *database);

/* A process is about to be started: whether it ends cleanly is not known. */
extern void pgnet_database_mark_starting(DatabaseState *database);

/* The worker is to leave, so that others get its process, or may stay. */
extern void pgnet_database_request_yield(DatabaseState *database,
										 bool requested);

#endif							/* PGNET_DATABASE_STATE_H */
