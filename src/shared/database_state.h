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

#include "shared/stats_counters.h"

/* lowest_new_id: nothing is new; read the queue from the start */
#define PGNET_NOTHING_NEW PG_INT64_MAX
#define PGNET_LOOK_AT_ALL PG_INT64_MIN

/* Of a worker: protected by the mutex of its database. */
typedef struct WorkerStatus
{
	pid_t		pid;			/* 0: none, and only dirty has a meaning */
	int			proc;			/* its index among the PGPROCs */
	bool		ready;			/* connected, and not asked to restart */
	bool		idle;			/* it has nothing to do */
	bool		yield_requested;	/* another database needs a process */
	bool		yield_refused;	/* its requests in flight take too long */
	bool		dirty;			/* a worker began its work and did not finish */
	bool		clean_exit;		/* it exits by itself, or was asked to */
	bool		clean_idle_exit;	/* and nothing is left to do */
} WorkerStatus;

typedef struct WorkerState
{
	/* what is new since the worker last looked: see inbox.c */
	pg_atomic_uint64 lowest_new_id;
	pg_atomic_uint32 rows_changed;
	pg_atomic_uint64 news_since;	/* while an id is new; the wall clock */

	WorkerStatus status;

	/* see inflight_global.c */
	pg_atomic_uint32 in_flight;
	pg_atomic_uint32 waits;

	dsa_pointer inflight_ids;	/* see inflight_ids.c */
} WorkerState;

/* So many of them, in a database, others do without. */
#define PGNET_MAX_STUCK 3

/* A process that is in a function still, although it was to be ended. */
typedef struct StuckProcess
{
	pid_t		pid;			/* 0: there is none */
	Oid			role;			/* that it is for */
} StuckProcess;

/* Of the process that calls functions with responses: likewise. */
typedef struct CallbackStatus
{
	pid_t		pid;			/* 0: there is none */
	int			proc;			/* its index among the PGPROCs */
	Oid			role;			/* whom it calls for, or the next one will */
	Oid			served;			/* the role before; see callback_state.h */
	Oid			owner;			/* of the tables; InvalidOid: unknown */
	TimestampTz requested;		/* rows wait, since then; DT_NOEND: none */
	TimestampTz careful_until; /* a process died: of rows made before then,
								* by the wall clock */
	bool		looked;			/* a worker looked for rows that wait */
	bool		calling;		/* it is in a function */
	TimestampTz stuck_at;		/* if it is in that still */
	StuckProcess stuck[PGNET_MAX_STUCK];	/* those before it that are */
	bool		clean_exit;		/* it leaves by itself, or was asked to */
	Oid			connecting;		/* tries to connect as that role */
	Oid			no_connection;	/* and could not as that one */
} CallbackStatus;

typedef struct DatabaseState
{
	Oid			database;		/* InvalidOid: free; see registry.c */
	bool		in_use;			/* a backend keeps a pointer to this */
	bool		ids_renewed;	/* see tables/recovery/installation.h */
	bool		prepared_known; /* see prepared.c: none is from before */
	bool		prepared_unnamed;	/* there was one without an entry there */
	TimestampTz said_refused;	/* when a worker last logged it: lifetime.c */

	slock_t		mutex;			/* protects all from here to callbacks */
	int			blockers;		/* processes that keep workers out */
	bool		keep_alive;		/* pg_net.database_name names the database */
	TimestampTz start_requested;	/* since when; DT_NOEND: not requested */
	TimestampTz next_due; /* if there is no worker, by the wall clock;
						   * DT_NOEND: none */
	TransactionId copied;		/* see DatabaseSnapshot */
	uint32		starts;			/* how often a worker became ready */
	WorkerState worker;
	CallbackStatus callbacks;

	/* counts the changes that are broadcast */
	pg_atomic_uint32 changes;

	/* broadcast when responses were recorded and when a worker is ready */
	ConditionVariable changed;

	DatabaseStats stats;		/* see stats.h */
} DatabaseState;

/* The part that the mutex protects, read at one time. */
typedef struct DatabaseSnapshot
{
	bool		workers_blocked;
	bool		keep_alive;
	TimestampTz start_requested;
	TimestampTz next_due;

	/*
	 * The transaction that created the database as a copy of another, with all
	 * that was queued there.  Invalid if it is not a copy, or if the copied
	 * rows have been removed.
	 */
	TransactionId copied;
	uint32		starts;
	WorkerStatus worker;
	CallbackStatus callbacks;
} DatabaseSnapshot;

/* Initialize a state; its database is set last, as others read it unlocked. */
extern void pgnet_database_init(DatabaseState *database, Oid oid);

extern DatabaseSnapshot pgnet_database_snapshot(DatabaseState *database);

/*
 * May the state be given to another database?  Not while there is a worker or
 * somebody blocks workers; nor, unless the database is gone, while there is
 * something to do.
 */
extern bool pgnet_database_is_unused(DatabaseState *database, bool is_gone);

/* Set the latch of the worker, if there is one.  Must not throw. */
extern void pgnet_database_wake(DatabaseState *database);

/* The same; if there is none, have the launcher start one.  Must not throw. */
extern void pgnet_database_request_start(DatabaseState *database);

/*
 * Have the worker replaced: it is not ready any more, and a start is requested.
 * Returns its pid, to which the caller sends SIGTERM; 0 if there is none.
 */
extern pid_t pgnet_database_dismiss_worker(DatabaseState *database);

/*
 * Have the worker leave, and let no other one claim the state until the calls
 * to unblock are as many as those to block.  Only registry.c calls these.
 */
extern void pgnet_database_block_workers(DatabaseState *database);
extern void pgnet_database_unblock_workers(DatabaseState *database);

/* See DatabaseSnapshot. */
extern void pgnet_database_set_copied(DatabaseState *database,
									  TransactionId made_by);

/* Wake the backends that wait for a response, or for the worker. */
extern void pgnet_database_broadcast(DatabaseState *database);

/* How many broadcasts there were; it wraps around. */
extern uint32 pgnet_database_changes(DatabaseState *database);

/* For the launcher: is the worker to stay when it is idle? */
extern void pgnet_database_set_keep_alive(DatabaseState *database,
										  bool keep_alive);

/*
 * For the launcher: pg_net.ttl changed, so responses of a database without a
 * worker may be due.
 */
extern void pgnet_database_expire_now(DatabaseState *database);

/* For the launcher: a process is about to be started; reset clean_exit. */
extern void pgnet_database_mark_starting(DatabaseState *database);

/* For the launcher: have the worker leave its process to others, or not. */
extern void pgnet_database_request_yield(DatabaseState *database,
										 bool requested);

#endif							/* PGNET_DATABASE_STATE_H */
