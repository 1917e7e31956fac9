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
#include "utils/jsonb.h"

#include "account.h"
#include "exchange.h"

/* Where a job is; pgnet_job_move() in worker/jobs.h moves it. */
typedef enum JobState
{
	PGNET_JOB_KNOWN,			/* its row is known: id, role and URL */
	PGNET_JOB_LOADED,			/* whole in memory, waiting in its lane */
	PGNET_JOB_PREPARED,			/* chosen to be sent, and has its place */
	PGNET_JOB_IN_FLIGHT,		/* the engine has it */
	PGNET_JOB_FINISHED,			/* it has an outcome, which is not recorded */
	PGNET_JOB_RECORDED			/* done with */
} JobState;

#define PGNET_JOB_NSTATES (PGNET_JOB_RECORDED + 1)

/*
 * What the row says of the attempts before and to come; in the context of the
 * request.
 */
typedef struct Delivery
{
	TimestampTz queued;
	TimestampTz due;			/* when it was to be sent; 0: at once */
	const int64 *delays_us;		/* the schedule: between attempts */
	int			ndelays;		/* 0: one attempt */
	bool		has_schedule;	/* the request's own, if an empty one */
	bool		retry_all;		/* any status but 2xx is a failure */
	bool		keeps_refused;	/* given up if it may not go out */
	Jsonb	   *failures;		/* the log of attempts; NULL: none */
	int			failed;			/* attempts of this round that failed */
	int			sent;			/* those of them that were sent */
	int			sent_before;	/* in earlier rounds */
	char	   *callback;		/* called with the response; NULL: none */
	Jsonb	   *context;		/* goes to the response; NULL: none */
	bool		has_keep;		/* the request says that, or the opposite: */
	bool		drops_success;	/* a 2xx leaves no response */

	/*
	 * Decided when it is finished.  Of PGNET_AGAIN when it is due then, of
	 * PGNET_GAVE_UP when the row is removed; 0: at once.
	 */
	Disposition disposition;
	TimestampTz decided;		/* when, unless it is done or failed */
	TimestampTz next_due;
	Jsonb	   *log;			/* failures with this attempt, while recorded */
	int64		log_growth;		/* by how many bytes that is longer */
} Delivery;

typedef struct Job
{
	dlist_node	node;			/* in the list of whoever owns the job */
	JobState	state;

	Oid			table;			/* the queue that the row was read from */
	ItemPointerData tid;		/* of the row then; it may have moved */
	int64		id;
	Oid			role;			/* who asked; InvalidOid when unknown */
	uint64		lane_key;		/* a hash of scheme, host and port */
	TimestampTz waits_since;	/* queued, or due if that was later */
	bool		was_due;		/* it has a time when it is due */
	struct LanePolicy *lane_policy; /* its endpoint's limits; NULL: none */
	const char *ordering_key;	/* see worker/order.h; NULL: none */
	Holder	   *holder;			/* who pays; NULL until a lane knows it */

	HttpRequest request;		/* its context is the job's */
	HttpOutcome outcome;
	HttpMetrics metrics;
	Delivery	delivery;

	/* when its row has to be loaded again before it is sent; 0: never */
	TimestampTz stale_at;

	/* false: only id, role and URL are here; load the row before sending */
	bool		loaded;
	size_t		size;			/* bytes this job holds, roughly */
	size_t		queue_bytes;	/* see pgnet_queue_row_stored_size() */

	int			inflight_entry; /* in shared memory; 0: none */

	/* how often there was no memory to send it though nothing else had any */
	int			oom_retries;

	/* its response took long to record: others go first */
	bool		slow;

	int			deaths;			/* of the worker, as its row says */
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

/* Decide a job that may not go out without sending it; error is copied. */
extern void pgnet_job_fail(Job *job, const char *error);

/*
 * Was it sent in its last attempt?  One that is given up for the deaths of
 * workers was not, by this one, and one that was refused did not go out.
 */
static inline bool
pgnet_job_was_sent(const Job *job)
{
	return job->metrics.attempts > 0 && job->metrics.started != 0 &&
		!job->outcome.refused;
}

/* Is it not decided yet? */
static inline bool
pgnet_job_is_pending(const Job *job)
{
	return job->outcome.kind == PGNET_OUTCOME_PENDING;
}

#endif							/* PGNET_JOB_H */
