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

typedef struct Jobs
{
	Account		account;
	int			count[PGNET_JOB_NSTATES];	/* but for KNOWN and RECORDED */
	WorkerState *worker;		/* counts those in flight of all workers */
	dlist_head	lookups;		/* that outlive their jobs, oldest first */
	int			nlookups;
} Jobs;

/* Begin with none. */
extern void pgnet_jobs_init(Jobs *jobs, WorkerState *worker);

/*
 * Move a job to another state.  The only function that does, and that counts
 * what is in flight: in all, by role, by lane and for all workers.
 */
extern void pgnet_job_move(Jobs *jobs, Job *job, JobState state);

/*
 * A job that is finished keeps its place among those in flight for as long as
 * the lookup of its host goes on, so that these are limited, too.  Give back
 * one, the oldest, if there are more of them than are running: whose it was, or
 * NULL.
 */
extern Holder *pgnet_jobs_end_lookup(Jobs *jobs, int running);

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
