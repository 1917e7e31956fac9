/*
 * dispatch.h -- which lane queue sends next, within the limits and shares.
 *
 * Runs in: workers.  A lane queue is in one of five lists, by its QueueState:
 *
 *   ready       its lane has room for it, and its first row is in memory
 *   needs load  its lane has room for it, and its first row is an id
 *   blocked     but something else that is shared has no room for it
 *   held        but a rate, a back-off or a pause holds it
 *   idle        it has nothing waiting, or as much in flight as it may have
 *
 * Roles take turns, and the queues of a role: so neither a role with many
 * requests nor a lane with many delays others.
 */
#ifndef PGNET_DISPATCH_H
#define PGNET_DISPATCH_H

#include "postgres.h"

#include "lib/ilist.h"

#include "worker/jobs.h"
#include "worker/lane_queue.h"
#include "worker/lane_table.h"

typedef struct Dispatch
{
	Jobs	   *jobs;
	LaneTable  *table;
	int			max_in_flight;
	int			max_in_flight_per_lane;
	int			restricted_to;	/* in flight at most, whatever the limit */
	dlist_head	having[QUEUE_NLISTS];	/* roles that have such queues */
	dlist_head	blocked;		/* lane queues */
	uint64		gives_seen;		/* of the account, when those were tried */
	TimestampTz now;			/* of this cycle, by pgnet_clock_now() */
	pairingheap *held;			/* lane queues, the one held least first */
} Dispatch;

extern void pgnet_dispatch_init(Dispatch *dispatch, Jobs *jobs,
								LaneTable *table);

extern void pgnet_dispatch_set_limits(Dispatch *dispatch, int in_flight,
									  int in_flight_per_lane);

/* It is so late now: some are held no longer. */
extern void pgnet_dispatch_set_now(Dispatch *dispatch, TimestampTz now);

/* When the next one is held no longer; DT_NOEND: none is, or for ever. */
extern TimestampTz pgnet_dispatch_held_due(const Dispatch *dispatch);

/*
 * The lane queue whose first row goes next, of those that are ready or need a
 * load; NULL if none may send now.
 */
extern LaneQueue *pgnet_dispatch_next(Dispatch *dispatch, QueueState state);

/* A lane queue had its turn: others of its role go next, and other roles. */
extern void pgnet_dispatch_end_turn(Dispatch *dispatch, LaneQueue *queue);

/*
 * What a lane queue has waiting or in flight changed: move it to the list in
 * which it belongs.  If it has nothing left, it is removed, and the caller must
 * not use it any more.
 */
extern void pgnet_dispatch_update(Dispatch *dispatch, LaneQueue *queue);

/* The same for all queues of a lane, which share what it may have in flight. */
extern void pgnet_dispatch_update_lane(Dispatch *dispatch, Lane *lane);

/* Have no more in flight than now, in all or in one lane. */
extern void pgnet_dispatch_restrict(Dispatch *dispatch);
extern void pgnet_dispatch_restrict_lane(Dispatch *dispatch, Lane *lane);

/* Double a restriction in all, end those of lanes.  True if none is left. */
extern bool pgnet_dispatch_relax(Dispatch *dispatch);

/* May one more go out, as far as the limits of all lanes are concerned? */
extern bool pgnet_dispatch_has_room(const Dispatch *dispatch);

#endif							/* PGNET_DISPATCH_H */
