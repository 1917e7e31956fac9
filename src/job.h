/*
 * job.h -- a request in the worker: its row, its lane, and its outcome.
 *
 * Runs in: workers.  A job and all that belongs to it live in one memory
 * context, made when the row is read and ended when its outcome is recorded.
 * Whoever has the pointer owns the job; http/ has it while it is in flight.
 */
#ifndef PGNET_JOB_H
#define PGNET_JOB_H

#include "postgres.h"

#include "lib/ilist.h"
#include "storage/itemptr.h"

#include "exchange.h"

typedef struct Job
{
	dlist_node	node;			/* in the list of whoever owns the job */

	Oid			table;			/* the queue that the row was read from */
	ItemPointerData tid;		/* of the row then; it may have moved */
	int64		id;
	Oid			role;			/* who asked; InvalidOid when unknown */

	HttpRequest request;		/* its context is the job's */
	HttpOutcome outcome;
	HttpMetrics metrics;

	/* false: only id and url are here; load the row before sending */
	bool		loaded;
	size_t		size;			/* bytes this job holds, roughly */
	size_t		queue_bytes;	/* URL, headers and body of its row */

	/* fairness counts by this: a hash of scheme, host and port */
	uint64		lane_key;

	/* how often it could not be sent though no other was in flight */
	int			lone_tries;

	/* its response took long to record: others go first */
	bool		slow;
} Job;

/*
 * Make an empty job.  Its context is a child of parent: one for all jobs of a
 * process, since contexts are used again.
 */
extern Job *pgnet_job_create(MemoryContext parent);
extern void pgnet_job_free(Job *job);
extern void pgnet_jobs_free(dlist_head *jobs);

/* Take the first job of a list that is not empty. */
extern Job *pgnet_job_pop(dlist_head *jobs);

/* Decide a job without sending it; error is copied. */
extern void pgnet_job_fail(Job *job, const char *error);

/* Is it not decided yet? */
static inline bool
pgnet_job_is_pending(const Job *job)
{
	return job->outcome.kind == PGNET_OUTCOME_PENDING;
}

#endif							/* PGNET_JOB_H */
