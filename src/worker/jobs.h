/*
 * jobs.h -- the states of all jobs of a worker.
 *
 * Runs in: workers.
 *
 *   KNOWN --> LOADED --> PREPARED --> IN_FLIGHT --> FINISHED --> RECORDED
 *     ^ |        | ^        |             |            ^
 *     | |        | +--------+-------------+ not sent   |
 *     | |        |          |                          |
 *     +-|--------+ unloaded +--> KNOWN, tables gone    |
 *       +----------------------------------------------+ cannot be sent
 *
 * A row of which only the id is in memory has no Job; it is KNOWN, too.
 */
#ifndef PGNET_JOBS_H
#define PGNET_JOBS_H

#include "postgres.h"

#include "account.h"
#include "job.h"
#include "shared/worker_state.h"

/* Requests of fewer bytes are limited by their number alone. */
#define PGNET_LARGE_REQUEST_BYTES ((size_t) 64 * 1024)

/* Jobs that are finished and not recorded, beside those in flight. */
#define PGNET_MAX_UNRECORDED 5000

typedef struct Jobs
{
	Account		account;
	int			count[PGNET_JOB_NSTATES];	/* not of KNOWN and RECORDED */
	WorkerState *worker;		/* for inflight_global.h */
} Jobs;

extern void pgnet_jobs_init(Jobs *jobs, WorkerState *worker);

/*
 * Move a job to another state, and count it: in all, by role, by lane, and in
 * flight of all workers.  No other function changes the state of a job.
 */
extern void pgnet_job_move(Jobs *jobs, Job *job, JobState state);

/* Prepared or in flight. */
static inline int
pgnet_jobs_in_flight(const Jobs *jobs)
{
	return jobs->count[PGNET_JOB_PREPARED] + jobs->count[PGNET_JOB_IN_FLIGHT];
}

/* What a job takes of PGNET_POOL_REQUEST_BYTES while it is in flight. */
static inline int64
pgnet_job_request_bytes(size_t size)
{
	return size < PGNET_LARGE_REQUEST_BYTES ? 0 : (int64) size;
}

#endif							/* PGNET_JOBS_H */
