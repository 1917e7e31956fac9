/*
 * locked_jobs.h -- finished jobs whose rows another transaction holds locked.
 *
 * Runs in: workers.  They wait here, so that those beside them are recorded;
 * whether their rows are free is looked at once a second.
 */
#ifndef PGNET_LOCKED_JOBS_H
#define PGNET_LOCKED_JOBS_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "lib/ilist.h"

#include "job.h"
#include "worker/table_guard.h"

typedef struct LockedJobs
{
	dlist_head	jobs;			/* owns them; those looked at last come last */
	int			count;
	TimestampTz next_check;		/* if there are any */
} LockedJobs;

extern void pgnet_locked_jobs_init(LockedJobs *locked);

/* Take a job that is in no other list. */
extern void pgnet_locked_jobs_add(LockedJobs *locked, Job *job,
								  TimestampTz now);

/* When to call _release(); DT_NOEND if there are none. */
extern TimestampTz pgnet_locked_jobs_due(const LockedJobs *locked);

/* Look at some of the rows, and move the jobs of those that are free. */
extern void pgnet_locked_jobs_release(LockedJobs *locked, TableGuard *guard,
									  TimestampTz now, dlist_head *freed);

/*
 * Sort jobs by whether somebody holds their rows: those that are free come
 * first, in their order.  Returns how many are; false if the tables could not
 * be used.
 */
extern bool pgnet_locked_jobs_find(TableGuard *guard, Job **jobs, int njobs,
								   int *nfree);

#endif							/* PGNET_LOCKED_JOBS_H */
