/*
 * backlog.h -- requests the worker knows of and has not sent.
 *
 * Runs in: workers.  This is where the limits are kept, in all and per host:
 * libcurl is only ever given what may go out at once, because the timeout of
 * what it holds runs.  While something is short there is less room than the
 * limits give, in all or to some hosts.
 *
 * A waiting request is held whole while there is room for it, and as no more
 * than its id when there is not.  Every id known, waiting, in flight or
 * finished, is held until pgnet_backlog_release(), so that a row is not taken
 * twice however often the queue is read.
 */
#ifndef PGNET_BACKLOG_H
#define PGNET_BACKLOG_H

#include "postgres.h"

#include "job.h"
#include "shared/worker_state.h"

typedef struct Backlog Backlog;

typedef struct BacklogLimits
{
	int			in_flight;
	int			in_flight_per_host;
} BacklogLimits;

/* What is in flight counts in the total as the worker's. */
extern Backlog *pgnet_backlog_create(MemoryContext parent, WorkerState *worker);

/* Forget every id and all that waits; what is in flight still counts. */
extern void pgnet_backlog_clear(Backlog *backlog);

/* Keep no more than the ids: rows may have changed. */
extern void pgnet_backlog_unload(Backlog *backlog);

extern void pgnet_backlog_set_limits(Backlog *backlog, BacklogLimits limits);

/* Take a request over; one whose id is held already is freed. */
extern void pgnet_backlog_add(Backlog *backlog, Job *job);

/* Hold the id of a request that will never be sent; false: held already. */
extern bool pgnet_backlog_hold(Backlog *backlog, int64 id);

/* Is an id held? */
extern bool pgnet_backlog_holds(const Backlog *backlog, int64 id);

/* The next request to send now, now in flight; NULL when there is none. */
extern Job *pgnet_backlog_next(Backlog *backlog);

/*
 * Ids of requests that could be sent now if they were loaded, at most max of
 * one host; how many.  The answer goes to pgnet_backlog_loaded(): which rows
 * were there, in a list, the others being gone.
 */
extern int	pgnet_backlog_to_load(Backlog *backlog, int64 *ids, int max);
extern void pgnet_backlog_loaded(Backlog *backlog, int nids,
								 dlist_head *requests);

/*
 * What pgnet_backlog_to_load() named first cannot be loaded now: it goes to
 * the end of its host's queue, and the host to the end of its list.
 */
extern void pgnet_backlog_postpone(Backlog *backlog);

/* A request that was sent is not in flight any more; its id stays held. */
extern void pgnet_backlog_finished(Backlog *backlog, Job *job);

/* One that was not sent after all waits again, in its old place. */
extern void pgnet_backlog_put_back(Backlog *backlog, Job *job);

/* Have no room for more than is in flight now, in all or to one host. */
extern void pgnet_backlog_restrict(Backlog *backlog);
extern void pgnet_backlog_restrict_host(Backlog *backlog, uint64 host_key);

/*
 * Have room again: twice as much in all, and to each host what the limits
 * give.  True when they alone decide about both.
 */
extern bool pgnet_backlog_relax(Backlog *backlog);

/* The outcome is recorded: forget the id. */
extern void pgnet_backlog_release(Backlog *backlog, int64 id);

/* Could more be sent, if there were requests for other hosts? */
extern bool pgnet_backlog_has_room(const Backlog *backlog);

/* Is there a request that could be sent now? */
extern bool pgnet_backlog_has_ready(const Backlog *backlog);

/* Is there a request that could be sent now if it were loaded? */
extern bool pgnet_backlog_has_hungry(const Backlog *backlog);

/* Do further requests have to be held by their id alone? */
extern bool pgnet_backlog_is_rich(const Backlog *backlog);

/* How many ids are held? */
extern uint32 pgnet_backlog_held(const Backlog *backlog);

#endif							/* PGNET_BACKLOG_H */
