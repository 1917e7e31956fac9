/*
 * lanes.h -- the rows a worker knows, by the lanes they wait in.
 *
 * Runs in: workers.  This is where the limits are kept, in all, by lane and by
 * role: the engine is only ever given what may go out at once, because the
 * timeout of what it has runs.  Whatever is finite here is shared by the rules
 * of account.h.
 *
 * A waiting request is held whole while there is room for it, and as no more
 * than its id when there is not.  A row is known until pgnet_lanes_end(), so
 * that it is not taken twice however often the queue is read.  A lane or a role
 * that has its share of what can be known learns of no more rows; it keeps
 * where to read on.
 */
#ifndef PGNET_LANES_H
#define PGNET_LANES_H

#include "postgres.h"

#include "worker/jobs.h"

typedef struct Lanes Lanes;

typedef struct LaneLimits
{
	int			in_flight;
	int			in_flight_per_lane;
} LaneLimits;

extern Lanes *pgnet_lanes_create(MemoryContext parent, Jobs *jobs);

/* Forget all rows, and free what waits; what is in flight goes on. */
extern void pgnet_lanes_clear(Lanes *lanes);

/* Keep no more than the ids: rows may have changed. */
extern void pgnet_lanes_unload(Lanes *lanes);

extern void pgnet_lanes_set_limits(Lanes *lanes, LaneLimits limits);

/* Is a row known? */
extern bool pgnet_lanes_know(const Lanes *lanes, int64 id);

/*
 * Know the row of a job that was read, if it is not known and there is room:
 * then the job has a holder.  refill: it was read for lanes and roles that
 * pgnet_lanes_refill() named.
 */
extern bool pgnet_lanes_admit(Lanes *lanes, Job *job, bool refill);

/* Know the row of a job, whether there is room or not. */
extern void pgnet_lanes_remember(Lanes *lanes, Job *job);

/* Have a job wait whose row is known; it may be freed. */
extern void pgnet_lanes_add(Lanes *lanes, Job *job);

/* The next job to send now, prepared; NULL when there is none. */
extern Job *pgnet_lanes_next(Lanes *lanes);

/*
 * Ids of rows that could be sent now if they were loaded, at most max; how
 * many.  What was found of them goes to pgnet_lanes_loaded(), the others being
 * gone.
 */
extern int	pgnet_lanes_to_load(Lanes *lanes, int64 *ids, int max);
extern void pgnet_lanes_loaded(Lanes *lanes, int nids, dlist_head *jobs);

/* What was named first cannot be loaded now: all others go before it. */
extern void pgnet_lanes_postpone(Lanes *lanes);

/* A job that was in flight is finished. */
extern void pgnet_lanes_finished(Lanes *lanes, Job *job);

/* One that was not sent after all waits again, where it did. */
extern void pgnet_lanes_put_back(Lanes *lanes, Job *job);

/* One in flight whose table is gone ends without being recorded. */
extern void pgnet_lanes_discard(Lanes *lanes, Job *job);

/*
 * A finished job is recorded, or its table is gone: free it.  known: its row is
 * known, and of no interest any more.
 */
extern void pgnet_lanes_end(Lanes *lanes, Job *job, bool known);

/* Send no more at a time than are in flight now, in all or of one lane. */
extern void pgnet_lanes_restrict(Lanes *lanes);
extern void pgnet_lanes_restrict_lane(Lanes *lanes, uint64 lane_key);

/*
 * Send more again: twice as much in all, and in each lane what the limits
 * give.  True when they alone decide about both.
 */
extern bool pgnet_lanes_relax(Lanes *lanes);

/* Lookups may have ended: so many are running. */
extern void pgnet_lanes_end_lookups(Lanes *lanes, int running);

/*
 * Where to read on for lanes and roles that have room again for rows of theirs
 * that are not known; PG_INT64_MAX: nowhere.  Then, how far that came: to an
 * id, or to the end.
 */
extern int64 pgnet_lanes_refill(Lanes *lanes);
extern bool pgnet_lanes_are_refilled(const Lanes *lanes);
extern void pgnet_lanes_refilled(Lanes *lanes, int64 next_id, bool to_the_end);

/* Are there rows that are not known for want of room? */
extern bool pgnet_lanes_overflow(const Lanes *lanes);

/* Could more be sent, if there were requests of others? */
extern bool pgnet_lanes_have_room(const Lanes *lanes);

/* Is there a job to send now, or a row that could be sent if it were loaded? */
extern bool pgnet_lanes_have_ready(Lanes *lanes);
extern bool pgnet_lanes_need_load(Lanes *lanes);

/* Is so much in memory that further rows are held by their ids alone? */
extern bool pgnet_lanes_are_rich(const Lanes *lanes);

/* How many rows are known? */
extern uint32 pgnet_lanes_known(const Lanes *lanes);

#endif							/* PGNET_LANES_H */
