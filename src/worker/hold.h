/*
 * hold.h -- what holds the requests to an endpoint: rate, back-off, pause.
 *
 * Runs in: workers.
 *
 * A request that is held waits in its lane: its timeout does not run, and it
 * uses up no attempt.
 *
 * The rate is limited by the generic cell rate algorithm, with one time for
 * each lane, the theoretical arrival time (tat): an attempt may start at
 * tat - (burst - 1) / rate or later; then tat = max(now, tat) + 1 / rate.
 *
 * Back-off is for each role: after some failures in a row nothing is sent for
 * the role for a while; then one request is sent alone, as a probe, and if it
 * fails as well, the next pause is longer.
 */
#ifndef PGNET_HOLD_H
#define PGNET_HOLD_H

#include "postgres.h"

#include "job.h"
#include "worker/lane_queue.h"

/*
 * Set the limits of a lane.  If the row in net.endpoint was changed, back-off
 * ends.  The caller updates the dispatch of the lane.
 */
extern void pgnet_hold_set_policy(Lane *lane, const LanePolicy *policy);

/*
 * A lane queue was created: if its lane has limits, restore what is known of
 * the role from an earlier one.
 */
extern void pgnet_hold_recall(LaneQueue *queue);

/*
 * Until when the requests of a lane queue are held; DT_NOBEGIN: they are not,
 * DT_NOEND: the endpoint is paused.
 */
extern TimestampTz pgnet_hold_until(const LaneQueue *queue, TimestampTz now);

/* Is its endpoint paused, or backing off for the role? */
extern bool pgnet_hold_is_paused(const LaneQueue *queue);

/* How many requests may be in flight in a lane; limit is by the setting. */
extern int	pgnet_hold_lane_limit(const Lane *lane, int limit);

/* Is the next request of the lane queue to be sent alone, as a probe? */
extern bool pgnet_hold_is_probing(const LaneQueue *queue);

/*
 * A request was given to the engine; it has its outcome, and true means that
 * the endpoint is to be paused for it (pause.h).
 */
extern void pgnet_hold_note_sent(LaneQueue *queue, TimestampTz now);
extern bool pgnet_hold_note_outcome(LaneQueue *queue, const Job *job,
									TimestampTz now);

#endif							/* PGNET_HOLD_H */
