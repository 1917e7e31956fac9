/*
 * hold.c -- what holds the requests to an endpoint: rate, back-off, pause.
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "clock.h"
#include "policy/retry.h"
#include "worker/hold.h"
#include "worker/pause.h"
#include "worker/server_log.h"

/* The first pause, which is also added to each further one; the longest. */
#define PAUSE_STEP_S 30
#define LONGEST_PAUSE_S 300

/* As far ahead as a rate holds anything: a time, and any number of steps. */
#define LONGEST_HOLD_US 4.0e18

static double interval_us(const LanePolicy *policy);
static void limit_tat(Lane *lane);
static void note_for_back_off(LaneQueue *queue, const Job *job, bool failed,
							  TimestampTz now);
static bool is_failure(const Lane *lane, const HttpOutcome *outcome,
					   int timeout_ms);
static void note_for_log(LaneQueue *queue, const Job *job, bool failed,
						 TimestampTz now);
static bool any_role_is_held(Lane *lane, TimestampTz now);
static void put_lane(Lane *lane);
static void put_queue(LaneQueue *queue);

void
pgnet_hold_set_policy(Lane *lane, const LanePolicy *policy)
{
	bool		changed = lane->policy.version != 0 &&
		lane->policy.version != policy->version;
	dlist_iter	iter;

	if (lane->policy.version == 0)
		lane->hold = pgnet_lane_holds_get(lane->key, PGNET_WHOLE_LANE);
	dlist_foreach(iter, &lane->queues)
	{
		LaneQueue  *queue = dlist_container(LaneQueue, lane_node, iter.cur);

		if (lane->policy.version == 0)
			queue->hold = pgnet_lane_holds_get(lane->key, queue->role->oid);
		if (!changed || queue->hold.failures == 0)
			continue;
		queue->hold = (LaneHold) {0};
		put_queue(queue);
	}
	if (changed && lane->hold.failing_since != 0)
	{
		lane->hold.failing_since = lane->hold.failed_at = 0;
		put_lane(lane);
	}
	if (changed && lane->policy.paused && !policy->paused)
		pgnet_server_log_resumed(lane->endpoint, pgnet_clock_now());
	lane->policy = *policy;
	if (policy->rate > 0)
		limit_tat(lane);
}

/* The time between attempts. */
static double
interval_us(const LanePolicy *policy)
{
	return Min(USECS_PER_SEC / policy->rate, LONGEST_HOLD_US / policy->burst);
}

/* No rate makes this later; one that was in force before may have. */
static void
limit_tat(Lane *lane)
{
	TimestampTz latest = pgnet_clock_now() +
		(int64) (lane->policy.burst * interval_us(&lane->policy));

	if (lane->hold.tat <= latest)
		return;
	lane->hold.tat = latest;
	put_lane(lane);
}

void
pgnet_hold_recall(LaneQueue *queue)
{
	if (queue->lane->policy.version != 0)
		queue->hold = pgnet_lane_holds_get(queue->lane->key, queue->role->oid);
}

TimestampTz
pgnet_hold_until(const LaneQueue *queue, TimestampTz now)
{
	const Lane *lane = queue->lane;
	const LanePolicy *policy = &lane->policy;
	TimestampTz until = DT_NOBEGIN;

	if (policy->paused)
		return DT_NOEND;
	if (policy->rate > 0)
		until = lane->hold.tat -
			(int64) ((policy->burst - 1) * interval_us(policy));
	if (policy->backs_off)
		until = Max(until, queue->hold.until);
	return until > now ? until : DT_NOBEGIN;
}

bool
pgnet_hold_is_paused(const LaneQueue *queue)
{
	const LanePolicy *policy = &queue->lane->policy;

	return policy->paused ||
		(policy->backs_off && pgnet_lane_hold_backs_off(&queue->hold));
}

int
pgnet_hold_lane_limit(const Lane *lane, int limit)
{
	return lane->policy.max_in_flight > 0 ? lane->policy.max_in_flight : limit;
}

bool
pgnet_hold_is_probing(const LaneQueue *queue)
{
	return queue->lane->policy.backs_off &&
		queue->hold.failures >= PGNET_FAILURES_TO_BACK_OFF;
}

void
pgnet_hold_note_sent(LaneQueue *queue, TimestampTz now)
{
	Lane	   *lane = queue->lane;

	if (lane->policy.rate <= 0)
		return;
	lane->hold.tat = Max(now, lane->hold.tat) +
		(int64) interval_us(&lane->policy);
	put_lane(lane);
}

bool
pgnet_hold_note_outcome(LaneQueue *queue, const Job *job, TimestampTz now)
{
	Lane	   *lane = queue->lane;
	bool		failed;

	if (lane->policy.version == 0 || job->metrics.attempts == 0)
		return false;
	failed = is_failure(lane, &job->outcome, job->request.timeout_ms);
	if (lane->policy.backs_off)
		note_for_back_off(queue, job, failed, now);
	note_for_log(queue, job, failed, now);
	if (lane->policy.retry_all &&
		job->outcome.kind == PGNET_OUTCOME_ANSWERED)
		failed = !pgnet_is_success(&job->outcome);
	return pgnet_pause_note_outcome(lane, job, failed, now);
}

/* A role is to be held after some failures. */
static void
note_for_back_off(LaneQueue *queue, const Job *job, bool failed,
				  TimestampTz now)
{
	LaneHold   *hold = &queue->hold;
	int64		wait_us;

	if (!failed)
	{
		if (hold->failures > 0)
		{
			*hold = (LaneHold) {0};
			put_queue(queue);
		}
		return;
	}
	hold->failures++;
	/* a pause is not prolonged by what was in flight when it began */
	if (hold->failures >= PGNET_FAILURES_TO_BACK_OFF && now >= hold->until)
	{
		hold->pause_s = Min(hold->pause_s + PAUSE_STEP_S, LONGEST_PAUSE_S);
		hold->until = now + hold->pause_s * USECS_PER_SEC;
	}
	wait_us = pgnet_retry_after_us(&job->outcome, GetCurrentTimestamp());
	if (wait_us > 0)
		hold->until = Max(hold->until, now + wait_us);
	put_queue(queue);
}

/*
 * Is an outcome a failure of the endpoint?  A timeout is not, if the caller has
 * set a shorter one than the endpoint.
 */
static bool
is_failure(const Lane *lane, const HttpOutcome *outcome, int timeout_ms)
{
	switch (outcome->kind)
	{
		case PGNET_OUTCOME_ANSWERED:
			return outcome->status_code == 429 ||
				(outcome->status_code >= 500 && outcome->status_code <= 599);
		case PGNET_OUTCOME_TIMED_OUT:
			return timeout_ms >= lane->policy.counted_timeout_ms;
		case PGNET_OUTCOME_FAILED:
			return !outcome->is_final;
		case PGNET_OUTCOME_PENDING:
		case PGNET_OUTCOME_NOT_SENT:
			break;
	}
	return false;
}

/*
 * Say so when the roles of an endpoint begin to be held for its failures, and
 * when none is any more.  What a Retry-After asks for counts if it is as long
 * as the pauses.
 */
static void
note_for_log(LaneQueue *queue, const Job *job, bool failed, TimestampTz now)
{
	Lane	   *lane = queue->lane;
	TimestampTz since = lane->hold.held_since;

	if (failed && since == 0 &&
		queue->hold.until - now >= PAUSE_STEP_S * USECS_PER_SEC)
	{
		lane->hold.held_since = now;
		put_lane(lane);
		pgnet_server_log_failing(job, queue->hold.until, now);
	}
	else if (!failed && since != 0 &&
			 job->outcome.kind == PGNET_OUTCOME_ANSWERED &&
			 !any_role_is_held(lane, now))
	{
		lane->hold.held_since = 0;
		put_lane(lane);
		pgnet_server_log_well(job, since, now);
	}
}

/* Does any role that has requests wait because attempts failed? */
static bool
any_role_is_held(Lane *lane, TimestampTz now)
{
	dlist_iter	iter;

	if (!lane->policy.backs_off)
		return false;
	dlist_foreach(iter, &lane->queues)
	{
		const LaneQueue *queue = dlist_container(LaneQueue, lane_node,
												 iter.cur);

		if (pgnet_hold_is_probing(queue) || queue->hold.until > now)
			return true;
	}
	return false;
}

static void
put_lane(Lane *lane)
{
	pgnet_lane_holds_put(lane->key, PGNET_WHOLE_LANE, &lane->hold);
}

static void
put_queue(LaneQueue *queue)
{
	pgnet_lane_holds_put(queue->lane->key, queue->role->oid, &queue->hold);
}
