/*
 * rest.c -- the end of a cycle: is there something to do at once, or when?
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "shared/inflight_global.h"
#include "tables/transaction.h"
#include "worker/loop.h"

/* The longest rest: the wall clock, which expiry goes by, may be set. */
#define LONGEST_REST_MS (3600L * 1000)

static bool is_mark_passed(const Loop *loop);
static bool has_work(Loop *loop);
static StayState state_of(const Loop *loop);
static TimestampTz next_due(const Loop *loop);

/* Sleep, or have the worker leave. */
void
pgnet_loop_rest(Loop *loop)
{
	bool		quiet = loop->jobs.count[PGNET_JOB_IN_FLIGHT] == 0;
	TimestampTz until;

	pgnet_inflight_settle(loop->worker);
	if (is_mark_passed(loop))
	{
		pgnet_engine_mark(loop->engine);
		pgnet_stay_note_progress(&loop->stay, loop->now);
	}
	pgnet_stay_refuse(&loop->stay, loop->now);
	pgnet_reporting_activity(&loop->reporting, !quiet);
	if (loop->busy || has_work(loop))
		return;
	pgnet_reporting_flush(&loop->reporting, loop->now, quiet);
	if (quiet)
		pgnet_transaction_settle(loop->now);
	pgnet_stay_rest(&loop->stay, loop->now, state_of(loop));
	if (loop->stay.over)
		return;

	until = next_due(loop);
	if (until == DT_NOEND)
		pgnet_engine_wait(loop->engine, -1);
	else
		pgnet_engine_wait(loop->engine,
						  Min(TimestampDifferenceMilliseconds(loop->now, until),
							  LONGEST_REST_MS));
}

/* Is nothing left to do? */
bool
pgnet_loop_is_idle(const Loop *loop)
{
	StayState	state = state_of(loop);

	return state == PGNET_STAY_IDLE || state == PGNET_STAY_USELESS;
}

/*
 * Is all finished that was under way when that was last so, and are the
 * tables there to record it?
 */
static bool
is_mark_passed(const Loop *loop)
{
	return pgnet_engine_mark_passed(loop->engine) &&
		loop->recorder.nlocked == 0 && loop->recorder.backoff.pause_ms == 0;
}

/* Could the next cycle do something at once? */
static bool
has_work(Loop *loop)
{
	if (pgnet_recorder_is_due(&loop->recorder, loop->now, false) ||
		pgnet_expiry_is_due(&loop->expiry, loop->now, 0) ||
		pgnet_suspects_is_due(loop->suspects, loop->now))
		return true;
	if (loop->stay.finishing)
		return false;
	return pgnet_lanes_have_ready(loop->lanes) ||
		pgnet_intake_wants_read(&loop->intake, loop->now, false) ||
		pgnet_intake_wants_load(&loop->intake, loop->now);
}

/*
 * When there may be something to do without anything happening before.  What
 * is past is not waited for: has_work() said that there is nothing to do.
 */
static TimestampTz
next_due(const Loop *loop)
{
	const TimestampTz candidates[] = {
		loop->reporting.due,
		pgnet_expiry_due(&loop->expiry, loop->now),
		loop->expiry.backoff.until,
		loop->expiry.refused.until,
		loop->intake.backoff.until,
		loop->intake.load_backoff.until,
		loop->recorder.backoff.until,
		loop->recount.backoff.until,
		loop->recount.wanted ? loop->recount.not_before : DT_NOEND,
		pgnet_restraint_due(&loop->restraint),
		pgnet_suspects_retry_time(loop->suspects),
		loop->stay.due,
		loop->recorder.nlocked > 0 ? loop->recorder.locked_due : DT_NOEND,
		pgnet_transaction_settle_due(),
	};
	TimestampTz due = DT_NOEND;

	for (int i = 0; i < (int) lengthof(candidates); i++)
		if (candidates[i] > loop->now)
			due = Min(due, candidates[i]);
	return due;
}

/* Is the worker needed? */
static StayState
state_of(const Loop *loop)
{
	if (loop->jobs.count[PGNET_JOB_IN_FLIGHT] > 0 ||
		loop->recorder.nfinished > 0 || loop->recorder.nlocked > 0)
		return PGNET_STAY_WORKING;
	if (loop->intake.more || pgnet_lanes_known(loop->lanes) > 0 ||
		pgnet_lanes_overflow(loop->lanes) ||
		pgnet_expiry_due(&loop->expiry, loop->now) <= loop->now)
		return PGNET_STAY_WAITING;
	return OidIsValid(loop->access.queue) ? PGNET_STAY_IDLE :
											PGNET_STAY_USELESS;
}
