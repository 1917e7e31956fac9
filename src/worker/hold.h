/*
 * hold.h -- what holds the requests to an endpoint: rate, back-off, pause.
 *
 * Runs in: workers.  A request that is held waits in its lane: its timeout does
 * not run, and no attempt is used up.
 *
 * Rate is the generic cell rate algorithm, with one time for each lane, the
 * theoretical arrival time (tat): an attempt may go if now is not before tat -
 * (burst - 1) / rate; then tat = max(now, tat) + 1 / rate.
 *
 * Back-off is by role: after some failures in a row nothing of the role goes
 * for a while; then one goes alone, as a probe, and if it fails, too, the next
 * pause is longer.
 */
#ifndef PGNET_HOLD_H
#define PGNET_HOLD_H

#include "postgres.h"

#include "job.h"
#include "worker/lane_queue.h"

/*
 * Set the limits of a lane.  If the row they come from is another than before,
 * back-off ends.  The caller updates the dispatch of the lane.
 */
extern void pgnet_hold_set_policy(Lane *lane, const LanePolicy *policy);

/* A queue is made in a lane with limits: what was known of it. */
extern void pgnet_hold_recall(LaneQueue *queue);

/*
 * Until when the requests of a queue are held: DT_NOBEGIN if they are not,
 * DT_NOEND while the endpoint is paused.
 */
extern TimestampTz pgnet_hold_until(const LaneQueue *queue, TimestampTz now);

/* How many requests may be in flight in the lane, of so many by the setting. */
extern int	pgnet_hold_lane_limit(const Lane *lane, int limit);

/* Is a probe to go alone, of the role in this lane? */
extern bool pgnet_hold_is_probing(const LaneQueue *queue);

/* A request goes out; it is finished. */
extern void pgnet_hold_note_sent(LaneQueue *queue, TimestampTz now);
extern void pgnet_hold_note_outcome(LaneQueue *queue, const Job *job,
									TimestampTz now);

#endif							/* PGNET_HOLD_H */
