/*
 * jobs.c -- the states of all jobs of a worker.
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "allocate.h"
#include "clock.h"
#include "shared/inflight_global.h"
#include "shared/inflight_ids.h"
#include "worker/counting.h"
#include "worker/jobs.h"

#define TO(state) (1 << PGNET_JOB_##state)

/* Of large requests in flight. */
#define MAX_REQUEST_BYTES ((int64) 256 * 1024 * 1024)

/*
 * Responses until they are recorded.  Roles and lanes share half of it; the
 * rest is for what cannot be stopped once it has begun.
 */
#define MAX_RESPONSE_BYTES ((int64) 576 * 1024 * 1024)

/* Rows that are known; some 50 bytes each. */
#define MAX_IDS 1000000

/* The states that may follow each state. */
PG_USED_FOR_ASSERTS_ONLY static const int next_states[PGNET_JOB_NSTATES] = {
	[PGNET_JOB_KNOWN] = TO(LOADED) | TO(FINISHED),
	[PGNET_JOB_LOADED] = TO(KNOWN) | TO(PREPARED),
	[PGNET_JOB_PREPARED] = TO(KNOWN) | TO(IN_FLIGHT),
	[PGNET_JOB_IN_FLIGHT] = TO(KNOWN) | TO(LOADED) | TO(FINISHED),
	[PGNET_JOB_FINISHED] = TO(RECORDED),
	[PGNET_JOB_RECORDED] = 0
};

static void count_move(const Job *job, JobState before);
static void set_inflight_entry(Job *job);
static bool has_place(JobState state);
static bool is_unrecorded(JobState state);
static void take_place(Jobs *jobs, Job *job);
static void give_place(Jobs *jobs, Job *job);
static void give_in_flight(Jobs *jobs, Holder *holder);

void
pgnet_jobs_init(Jobs *jobs, WorkerState *worker)
{
	*jobs = (Jobs) {
		.worker = worker,
		.account.limit = {
			/* in flight, and with it unrecorded: dispatch.c sets them */
			[PGNET_POOL_REQUEST_BYTES] = MAX_REQUEST_BYTES,
			[PGNET_POOL_RESPONSE_BYTES] = MAX_RESPONSE_BYTES,
			[PGNET_POOL_IDS] = MAX_IDS}
	};
}

void
pgnet_job_move(Jobs *jobs, Job *job, JobState state)
{
	JobState	before = job->state;

	Assert((next_states[before] & (1 << state)) != 0);
	/* KNOWN is counted as ids in the account, RECORDED is the end */
	if (before != PGNET_JOB_KNOWN)
		jobs->count[before]--;
	if (state != PGNET_JOB_KNOWN && state != PGNET_JOB_RECORDED)
		jobs->count[state]++;
	job->state = state;
	count_move(job, before);
	if (has_place(state) && !has_place(before))
		take_place(jobs, job);
	if (!has_place(state) && has_place(before))
		give_place(jobs, job);
	set_inflight_entry(job);
	if (is_unrecorded(state) && !is_unrecorded(before))
		pgnet_account_take(&jobs->account, job->holder,
						   PGNET_POOL_UNRECORDED, 1);
	if (!is_unrecorded(state) && is_unrecorded(before))
		pgnet_account_give(&jobs->account, job->holder,
						   PGNET_POOL_UNRECORDED, 1);
}

/* For the statistics. */
static void
count_move(const Job *job, JobState before)
{
	if (before == PGNET_JOB_IN_FLIGHT && job->state == PGNET_JOB_FINISHED)
		pgnet_counting_attempt(job);
	if (job->state == PGNET_JOB_RECORDED)
		pgnet_counting_end(job);
}

/* Let others know whether a job is in flight. */
static void
set_inflight_entry(Job *job)
{
	if (job->state == PGNET_JOB_IN_FLIGHT)
		job->inflight_entry = pgnet_inflight_ids_enter(job->id, job->role,
													   pgnet_clock_now());
	else if (job->state != PGNET_JOB_FINISHED)
	{
		pgnet_inflight_ids_remove(job->inflight_entry);
		job->inflight_entry = 0;
	}
}

/* Has a job in this state a place among those in flight? */
static bool
has_place(JobState state)
{
	return state == PGNET_JOB_PREPARED || state == PGNET_JOB_IN_FLIGHT;
}

/*
 * Is or will a job in this state be an outcome that waits to be recorded?  From
 * when it is chosen on, or all that are in flight could come on top of what a
 * role may have.
 */
static bool
is_unrecorded(JobState state)
{
	return has_place(state) || state == PGNET_JOB_FINISHED;
}

static void
take_place(Jobs *jobs, Job *job)
{
	pgnet_inflight_take();
	pgnet_account_take(&jobs->account, job->holder, PGNET_POOL_IN_FLIGHT, 1);
	pgnet_account_take(&jobs->account, job->holder, PGNET_POOL_REQUEST_BYTES,
					   pgnet_job_request_bytes(job->size));
}

static void
give_place(Jobs *jobs, Job *job)
{
	pgnet_account_give(&jobs->account, job->holder, PGNET_POOL_REQUEST_BYTES,
					   pgnet_job_request_bytes(job->size));
	give_in_flight(jobs, job->holder);
}

static void
give_in_flight(Jobs *jobs, Holder *holder)
{
	pgnet_inflight_give_back(jobs->worker);
	pgnet_account_give(&jobs->account, holder, PGNET_POOL_IN_FLIGHT, 1);
}
