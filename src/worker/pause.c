/*
 * pause.c -- finding out that an endpoint is to be paused.
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "endpoint_url.h"
#include "shared/pauses.h"
#include "worker/pause.h"

/* It has to be tried in each of so many parts of the time. */
#define PARTS 4

#define STATUS_GONE 410

static bool is_gone(const Job *job);
static void note_failure(Lane *lane, const Job *job, TimestampTz now);
static bool ask(const Lane *lane, const Job *job, TimestampTz since);
static void keep(Lane *lane);

bool
pgnet_pause_note_outcome(Lane *lane, const Job *job, bool failed,
						 TimestampTz now)
{
	LaneHold   *hold = &lane->hold;
	int64		pause_after_us = lane->policy.pause_after_us;

	if (pause_after_us == 0)
		return false;
	if (is_gone(job))
	{
		note_failure(lane, job, now);
		return ask(lane, job, GetCurrentTimestamp());
	}
	if (failed)
	{
		note_failure(lane, job, now);
		return now - hold->failing_since >= pause_after_us &&
			ask(lane, job,
				GetCurrentTimestamp() - (now - hold->failing_since));
	}
	if (job->outcome.kind == PGNET_OUTCOME_ANSWERED && hold->failing_since != 0)
	{
		hold->failing_since = hold->failed_at = 0;
		keep(lane);
		pgnet_pauses_remove(lane->key);
	}
	return false;
}

/* Does the receiver say that it is no longer there, for all of the endpoint? */
static bool
is_gone(const Job *job)
{
	EndpointUrl url;

	return job->outcome.kind == PGNET_OUTCOME_ANSWERED &&
		job->outcome.status_code == STATUS_GONE &&
		pgnet_url_is_endpoint(job->request.url) &&
		pgnet_endpoint_url_parse(job->request.url, &url) == NULL &&
		url.query_length == 0 &&
		(url.path_length == 0 ||
		 (url.path_length == 1 && url.path[0] == '/'));
}

/*
 * What failed long before this attempt began does not count: nothing was tried
 * between.
 */
static void
note_failure(Lane *lane, const Job *job, TimestampTz now)
{
	LaneHold   *hold = &lane->hold;
	TimestampTz began = now - Max(job->metrics.duration_us, 0);

	if (hold->failing_since == 0 ||
		began - hold->failed_at > lane->policy.pause_after_us / PARTS)
		hold->failing_since = now;
	hold->failed_at = now;
	keep(lane);
}

/*
 * Have the endpoint paused, which failed since then by the wall clock.  Its
 * name is the lane's.
 */
static bool
ask(const Lane *lane, const Job *job, TimestampTz since)
{
	const HttpOutcome *outcome = &job->outcome;
	EndpointUrl url;
	Pause		pause = {
		.lane = lane->key,
		.version = lane->policy.version,
		.since = since
	};

	if (lane->endpoint == NULL ||
		pgnet_endpoint_url_parse(lane->endpoint, &url) != NULL ||
		url.name_length > PGNET_MAX_ENDPOINT_NAME)
		return false;
	memcpy(pause.name, url.name, url.name_length);
	if (outcome->kind == PGNET_OUTCOME_ANSWERED)
		pause.status_code = outcome->status_code;
	else if (outcome->error != NULL)
		strlcpy(pause.error, outcome->error, sizeof(pause.error));
	return pgnet_pauses_add(&pause);
}

static void
keep(Lane *lane)
{
	pgnet_lane_holds_put(lane->key, PGNET_WHOLE_LANE, &lane->hold);
}
