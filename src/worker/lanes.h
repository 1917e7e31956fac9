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

#include "policy/lane_policy.h"
#include "worker/jobs.h"

typedef struct Lanes Lanes;

typedef struct LaneLimits
{
	int			in_flight;
	int			in_flight_per_lane;
} LaneLimits;

extern Lanes *pgnet_lanes_create(MemoryContext parent, Jobs *jobs);

/* Forget all rows, and free the jobs that wait; those in flight go on. */
extern void pgnet_lanes_clear(Lanes *lanes);

/* Rows may have changed: free the jobs that wait, and keep their ids. */
extern void pgnet_lanes_unload(Lanes *lanes);

extern void pgnet_lanes_set_limits(Lanes *lanes, LaneLimits limits);

/*
 * It is so late now, by pgnet_clock_now(): each cycle.  When is a lane held no
 * longer that is held until a time?  DT_NOEND: there is none.
 */
extern void pgnet_lanes_set_now(Lanes *lanes, TimestampTz now);
extern TimestampTz pgnet_lanes_held_due(const Lanes *lanes);

/* A lane of an endpoint. */
typedef struct LaneEndpoint
{
	uint64		lane_key;
	char	   *url;			/* net://name, with or without a path */
	LanePolicy	policy;			/* for the caller */
} LaneEndpoint;

/* Set the limits of an endpoint's lane, if it exists. */
extern void pgnet_lanes_set_policy(Lanes *lanes, uint64 lane_key,
								   const char *endpoint,
								   const LanePolicy *policy);

/* The lanes of endpoints, in the current memory context; how many. */
extern int	pgnet_lanes_endpoints(const Lanes *lanes, LaneEndpoint **list);

/* Is a row known? */
extern bool pgnet_lanes_know(const Lanes *lanes, int64 id);

/*
 * Know the row of a job that was read, if it is not known and there is room.
 * True: the job has a holder now.  refill: it was read between
 * pgnet_lanes_refill() and pgnet_lanes_refilled().
 */
extern bool pgnet_lanes_admit(Lanes *lanes, Job *job, bool refill);

/* Know the row of a job, whether there is room or not. */
extern void pgnet_lanes_remember(Lanes *lanes, Job *job);

/* Have a job wait whose row is known.  Takes the job, and may free it. */
extern void pgnet_lanes_add(Lanes *lanes, Job *job);

/*
 * The next job to send, PREPARED, for the caller to own; NULL: none may go.  Of
 * those that were loaded too long before now, only the ids are kept.
 */
extern Job *pgnet_lanes_next(Lanes *lanes, TimestampTz now);

/*
 * Get the ids, at most max, of rows that may be sent now but have to be loaded;
 * returns how many.  The caller passes the jobs of those that it found to
 * pgnet_lanes_loaded(); the others no longer exist.
 */
extern int	pgnet_lanes_to_load(Lanes *lanes, int64 *ids, int max);
extern void pgnet_lanes_loaded(Lanes *lanes, int nids, dlist_head *jobs);

/* The first of those ids cannot be loaded now: it waits behind all others. */
extern void pgnet_lanes_postpone(Lanes *lanes);

/*
 * A job that was in flight is finished; true: its endpoint is to be paused, and
 * the process of the callbacks has to be told.
 */
extern bool pgnet_lanes_finished(Lanes *lanes, Job *job);

/* A job in flight was not sent after all: it waits again, where it did. */
extern void pgnet_lanes_put_back(Lanes *lanes, Job *job);

/* The table of a job in flight is gone: free the job. */
extern void pgnet_lanes_discard(Lanes *lanes, Job *job);

/*
 * A finished job is recorded, or its table is gone: free it.  known: its row is
 * known, and is forgotten.
 */
extern void pgnet_lanes_end(Lanes *lanes, Job *job, bool known);

/* Have no more in flight than now, in all or in one lane. */
extern void pgnet_lanes_restrict(Lanes *lanes);
extern void pgnet_lanes_restrict_lane(Lanes *lanes, uint64 lane_key);

/*
 * Double such a restriction in all, and end those of lanes.  True if none is
 * left, and only the limits apply.
 */
extern bool pgnet_lanes_relax(Lanes *lanes);

/*
 * From which id to read again for lane queues and roles that have room;
 * PG_INT64_MAX: there are none.  Then, up to which id the table was read so
 * far, whether those are full, and up to which id it was read in all, or to its
 * end.
 */
extern int64 pgnet_lanes_refill(Lanes *lanes);
extern void pgnet_lanes_refill_reached(Lanes *lanes, int64 next_id);
extern bool pgnet_lanes_are_refilled(const Lanes *lanes);
extern void pgnet_lanes_refilled(Lanes *lanes, int64 next_id, bool to_the_end);

/* Are there rows that are not known because there was no room? */
extern bool pgnet_lanes_overflow(const Lanes *lanes);

/* Do the limits of all lanes together allow one more in flight? */
extern bool pgnet_lanes_have_room(const Lanes *lanes);

/* Is there a job to send now, or a row that could be sent if it were loaded? */
extern bool pgnet_lanes_have_ready(Lanes *lanes);
extern bool pgnet_lanes_need_load(Lanes *lanes);

/* Is so much loaded that further rows are kept as ids? */
extern bool pgnet_lanes_are_rich(const Lanes *lanes);

/* Have others see what waits and what is in flight in lanes. */
extern void pgnet_lanes_publish(Lanes *lanes);

/* How many rows are known? */
extern uint32 pgnet_lanes_known(const Lanes *lanes);

#endif							/* PGNET_LANES_H */
