/*
 * locked_jobs.c -- finished jobs whose rows another transaction holds locked.
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "tables/responses/record.h"
#include "worker/batch.h"
#include "worker/locked_jobs.h"

#define CHECK_INTERVAL_MS 1000

typedef struct FindArg
{
	Job		  **jobs;
	int			njobs;
	int			nfree;
} FindArg;

static void find_work(void *find_arg);

void
pgnet_locked_jobs_init(LockedJobs *locked)
{
	*locked = (LockedJobs) {0};
	dlist_init(&locked->jobs);
}

void
pgnet_locked_jobs_add(LockedJobs *locked, Job *job, TimestampTz now)
{
	if (locked->count == 0)
		locked->next_check = TimestampTzPlusMilliseconds(now,
														 CHECK_INTERVAL_MS);
	dlist_push_tail(&locked->jobs, &job->node);
	locked->count++;
}

TimestampTz
pgnet_locked_jobs_due(const LockedJobs *locked)
{
	return locked->count > 0 ? locked->next_check : DT_NOEND;
}

void
pgnet_locked_jobs_release(LockedJobs *locked, TableGuard *guard,
						  TimestampTz now, dlist_head *freed)
{
	Batch	   *batch = palloc0(sizeof(Batch));
	int			nfree;

	pgnet_batch_fill(batch, &locked->jobs, PGNET_BATCH_REQUESTS, NULL);
	if (!pgnet_locked_jobs_find(guard, batch->jobs, batch->count, &nfree))
		nfree = 0;
	for (int i = 0; i < batch->count; i++)
	{
		Job		   *job = batch->jobs[i];

		dlist_delete(&job->node);
		dlist_push_tail(i < nfree ? freed : &locked->jobs, &job->node);
	}
	locked->count -= nfree;
	locked->next_check = TimestampTzPlusMilliseconds(now, CHECK_INTERVAL_MS);
}

bool
pgnet_locked_jobs_find(TableGuard *guard, Job **jobs, int njobs, int *nfree)
{
	FindArg		arg = {.jobs = jobs, .njobs = njobs};
	ErrorData  *error = NULL;

	if (pgnet_table_guard_run(guard, find_work, &arg, &error) !=
		PGNET_GUARD_DONE)
		return false;
	*nfree = arg.nfree;
	return true;
}

/* TableWork: lock the rows that are free, until the transaction ends. */
static void
find_work(void *find_arg)
{
	FindArg    *arg = find_arg;

	arg->nfree = pgnet_responses_recordable(arg->jobs, arg->njobs);
}
