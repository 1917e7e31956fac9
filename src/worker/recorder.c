/*
 * recorder.c -- finished requests on their way into the tables.
 *
 * Runs in: workers.
 *
 * The rule is one transaction for a batch: it stores the responses and
 * removes the rows.  One request's trouble (a trigger that raises, a constraint
 * somebody added, a row somebody locked) stays its own: those that could not
 * be recorded with the others get a transaction of their own.
 *
 * A request that was sent is never sent again because its response could not
 * be stored: rather the triggers are left out, and at last the response.
 */
#include "postgres.h"

#include "utils/elog.h"
#include "utils/timestamp.h"

#include "clock.h"
#include "policy/retry.h"
#include "settings.h"
#include "tables/responses/record.h"
#include "tables/transaction.h"
#include "worker/batch.h"
#include "worker/locked_jobs.h"
#include "worker/recorder.h"

/* How long a finished request may wait for the rest of its batch. */
#define BATCH_DELAY_MS 10

/* Recording one by one gives way to the network after this long. */
#define ONE_BY_ONE_MS 50

/*
 * How long recording one may take, and one that took longer than others may.
 * Some trigger sleeps, and all wait.
 */
#define SINGLE_SECONDS 3
#define SLOW_SECONDS 10

/* What finishes so long after a slow one goes before it. */
#define SLOW_PATIENCE_MS 1000

/* What to do about a job that could not be recorded alone. */
typedef enum NextStep
{
	STEP_LAST,					/* it took too long: others go first */
	STEP_WAIT,					/* the error passes: try again in this mode */
	STEP_GIVE_UP_MORE,			/* try again in the next mode */
	STEP_LEAVE_ROW				/* not even the row could be removed */
} NextStep;

static void decide(Job *job);
static dlist_node *place_of_next(Recorder *recorder, TimestampTz now);
static TimestampTz batch_due(const Recorder *recorder, bool busy);
static void drop_stale(Recorder *recorder, TableGuard *guard);
static void take_released(Recorder *recorder, TableGuard *guard,
						  TimestampTz now);
static void batch_done(Recorder *recorder, Batch *batch);
static void batch_failed(Recorder *recorder, Batch *batch, ErrorData *error);
static void record_failures(Recorder *recorder, Batch *batch, TimestampTz now);
static void set_locked_aside(Recorder *recorder, Batch *batch,
							 TimestampTz now);
static bool record_each_alone(Recorder *recorder, Batch *batch,
							  const ErrorData **passing);
static bool record_alone(Recorder *recorder, const Batch *batch,
						 BatchFailure *failure);
static NextStep next_step(const Job *job, RecordMode mode,
						  const ErrorData *error);
static GuardResult try_alone(const Batch *batch, BatchFailure *failure,
							 RecordMode mode);
static bool is_too_long(const ErrorData *error);
static void put_last(Recorder *recorder, Job *job);
static void remove_finished(Recorder *recorder, Job *job);
static void put_recorded(Recorder *recorder, Job *job);
static void succeeded(Recorder *recorder);
static void report_passing(Recorder *recorder, const ErrorData *error);
static void report_failure(const Job *job, RecordMode mode,
						   const ErrorData *error);

void
pgnet_recorder_init(Recorder *recorder)
{
	*recorder = (Recorder) {0};
	dlist_init(&recorder->finished);
	pgnet_locked_jobs_init(&recorder->locked);
	dlist_init(&recorder->recorded);
}

void
pgnet_recorder_add(Recorder *recorder, Job *job, TimestampTz now)
{
	if (recorder->nfinished == 0)
		recorder->waiting_since = now;
	decide(job);
	dlist_insert_before(place_of_next(recorder, now), &job->node);
	recorder->nfinished++;
	recorder->finished_bytes += job->outcome.content_len;
}

/* What becomes of the request of a job whose attempt is over, and when. */
static void
decide(Job *job)
{
	Delivery   *delivery = &job->delivery;
	RetryPolicy policy = {
		.ndelays = delivery->ndelays,
		.failed = delivery->failed,
		.retry_all = delivery->retry_all,
		.keeps_refused = delivery->keeps_refused
	};

	delivery->next_due = 0;
	delivery->disposition = pgnet_retry_decide(&job->outcome, &policy);
	if (delivery->disposition == PGNET_DONE ||
		delivery->disposition == PGNET_FAILED)
		return;
	delivery->decided = GetCurrentTimestamp();
	if (delivery->disposition == PGNET_AGAIN)
		delivery->next_due =
			pgnet_retry_due(&job->outcome, delivery->decided,
							delivery->delays_us[delivery->failed]);
	else if (pgnet_setting_failed_ttl() > 0)
		delivery->next_due = delivery->decided + pgnet_setting_failed_ttl();
}

/* The end of the list; for a while after one was slow, before the slow ones. */
static dlist_node *
place_of_next(Recorder *recorder, TimestampTz now)
{
	dlist_node *end = &recorder->finished.head;
	dlist_node *place = end;

	if (now >= TimestampTzPlusMilliseconds(recorder->slow_since,
										   SLOW_PATIENCE_MS))
		return end;
	while (place->prev != end &&
		   dlist_container(Job, node, place->prev)->slow)
		place = place->prev;
	return place;
}

TimestampTz
pgnet_recorder_due(const Recorder *recorder, bool busy)
{
	TimestampTz due = pgnet_locked_jobs_due(&recorder->locked);

	if (recorder->nfinished > 0)
		due = Min(due, batch_due(recorder, busy));
	return pgnet_backoff_after(&recorder->backoff, due);
}

/*
 * A batch is due when it is full, when its first job has waited, or when there
 * is nothing else to do.
 */
static TimestampTz
batch_due(const Recorder *recorder, bool busy)
{
	if (!busy ||
		recorder->nfinished >= pgnet_pace_rows(&recorder->pace,
											   PGNET_BATCH_REQUESTS) ||
		recorder->finished_bytes >= PGNET_BATCH_BYTES)
		return DT_NOBEGIN;
	return TimestampTzPlusMilliseconds(recorder->waiting_since,
									   BATCH_DELAY_MS);
}

void
pgnet_recorder_flush(Recorder *recorder, TableGuard *guard, TimestampTz now)
{
	Batch	   *batch = palloc(sizeof(Batch));
	ErrorData  *error = NULL;

	drop_stale(recorder, guard);
	if (now >= pgnet_locked_jobs_due(&recorder->locked))
		take_released(recorder, guard, now);
	*batch = (Batch) {
		.guard = guard,
		.pace = &recorder->pace,
		.mode = recorder->mode,
		.looks_first = recorder->locked.count > 0
	};
	pgnet_batch_fill(batch, &recorder->finished,
					 pgnet_pace_rows(&recorder->pace, PGNET_BATCH_REQUESTS),
					 recorder->last);
	if (batch->count == 0)
		return;

	batch->seconds = batch->jobs[0]->slow ? SLOW_SECONDS : SINGLE_SECONDS;
	recorder->waiting_since = now;
	switch (pgnet_batch_record(batch, &error))
	{
		case PGNET_GUARD_DONE:
			batch_done(recorder, batch);
			record_failures(recorder, batch, now);
			break;
		case PGNET_GUARD_BUSY:
			pgnet_backoff_failed(&recorder->backoff);
			break;
		case PGNET_GUARD_GONE:
			drop_stale(recorder, guard);
			break;
		case PGNET_GUARD_FAILED:
			batch_failed(recorder, batch, error);
			record_failures(recorder, batch, now);
			break;
	}
}

void
pgnet_recorder_hurry(Recorder *recorder)
{
	if (recorder->mode == PGNET_RECORD_NORMAL && recorder->nfinished > 0)
		ereport(WARNING,
				errmsg("pg_net records %d responses without triggers because the worker must exit",
					   recorder->nfinished),
				errhint("Make the triggers on net._http_response and net.http_request_queue faster."));
	recorder->mode = PGNET_RECORD_NO_TRIGGERS;
}

void
pgnet_recorder_clear(Recorder *recorder)
{
	dlist_head *lists[] = {&recorder->finished, &recorder->locked.jobs};

	for (int i = 0; i < (int) lengthof(lists); i++)
		while (!dlist_is_empty(lists[i]))
			dlist_push_tail(&recorder->recorded, dlist_pop_head_node(lists[i]));
	recorder->nfinished = recorder->locked.count = 0;
	recorder->finished_bytes = 0;
}

/* Jobs of a table that was dropped since have nowhere to be recorded. */
static void
drop_stale(Recorder *recorder, TableGuard *guard)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &recorder->finished)
	{
		Job		   *job = dlist_container(Job, node, iter.cur);

		if (job->table != guard->queue)
			put_recorded(recorder, job);
	}
}

/* Take back the jobs whose rows are no longer locked. */
static void
take_released(Recorder *recorder, TableGuard *guard, TimestampTz now)
{
	dlist_head	freed;

	dlist_init(&freed);
	pgnet_locked_jobs_release(&recorder->locked, guard, now, &freed);
	while (!dlist_is_empty(&freed))
		pgnet_recorder_add(recorder,
						   dlist_container(Job, node,
										   dlist_pop_head_node(&freed)),
						   now);
}

/* A batch was committed, but for its failures. */
static void
batch_done(Recorder *recorder, Batch *batch)
{
	for (int i = 0; i < batch->nrecorded; i++)
		put_recorded(recorder, batch->jobs[i]);
	if (batch->nrecorded > 0)
	{
		recorder->last = batch->jobs[batch->nrecorded - 1]->holder;
		succeeded(recorder);
	}
	pgnet_pace_done(&recorder->pace, batch->nrecorded, batch->took_us);
	pgnet_pace_pieces(&recorder->pace, batch->piece_failed);
}

/* A batch failed as a whole: a smaller one is next. */
static void
batch_failed(Recorder *recorder, Batch *batch, ErrorData *error)
{
	batch->nfailures = batch->nrecorded = 0;
	if (batch->count > 1)
		pgnet_pace_failed(&recorder->pace, batch->count, is_too_long(error));
	else
		batch->failures[batch->nfailures++] =
			(BatchFailure) {batch->jobs[0], error};
}

/* Record those that could not be recorded with others. */
static void
record_failures(Recorder *recorder, Batch *batch, TimestampTz now)
{
	const ErrorData *passing = NULL;

	if (batch->nfailures == 0)
		return;
	set_locked_aside(recorder, batch, now);
	if (batch->nfailures == 0 ||
		record_each_alone(recorder, batch, &passing) ||
		batch->nrecorded > 0)
	{
		succeeded(recorder);
		return;
	}
	if (passing != NULL)
		report_passing(recorder, passing);
	pgnet_backoff_failed(&recorder->backoff);
}

/* Keep those apart whose rows are locked; the others stay failures. */
static void
set_locked_aside(Recorder *recorder, Batch *batch, TimestampTz now)
{
	Job		  **jobs = palloc(sizeof(Job *) * batch->nfailures);
	int			nfree;
	int			left = 0;

	for (int i = 0; i < batch->nfailures; i++)
		jobs[i] = batch->failures[i].job;
	if (!pgnet_locked_jobs_find(batch->guard, jobs, batch->nfailures, &nfree))
		return;
	for (int i = nfree; i < batch->nfailures; i++)
	{
		remove_finished(recorder, jobs[i]);
		pgnet_locked_jobs_add(&recorder->locked, jobs[i], now);
	}
	/* those that are free are in their old order */
	for (int i = 0; i < batch->nfailures; i++)
		if (left < nfree && batch->failures[i].job == jobs[left])
			batch->failures[left++] = batch->failures[i];
	batch->nfailures = left;
}

/*
 * Record each failure alone, at least one, and more while there is time; those
 * that are left are tried again with others.  False if that was of no use, with
 * the error if that is one that passes.
 */
static bool
record_each_alone(Recorder *recorder, Batch *batch, const ErrorData **passing)
{
	TimestampTz until = TimestampTzPlusMilliseconds(pgnet_clock_now(),
													ONE_BY_ONE_MS);
	bool		progress = false;

	for (int i = 0; i < batch->nfailures; i++)
	{
		BatchFailure *failure = &batch->failures[i];

		if (i > 0 && pgnet_clock_now() >= until)
			break;
		if (record_alone(recorder, batch, failure))
			progress = true;
		else
			*passing = failure->error;
	}
	return progress;
}

/*
 * Record one that failed, giving up more with each try; false: not now, with
 * the error that passes if that is why, otherwise with none.
 */
static bool
record_alone(Recorder *recorder, const Batch *batch, BatchFailure *failure)
{
	Job		   *job = failure->job;
	GuardResult result = PGNET_GUARD_FAILED;
	int			mode = batch->mode;

	/* whoever held its row has let go of it */
	if (failure->error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE)
		result = try_alone(batch, failure, mode);
	while (result == PGNET_GUARD_FAILED)
		switch (next_step(job, mode, failure->error))
		{
			case STEP_LAST:
				job->slow = true;
				put_last(recorder, job);
				/* it took its time until now */
				recorder->slow_since = pgnet_clock_now();
				return true;
			case STEP_WAIT:
				put_last(recorder, job);
				return false;
			case STEP_GIVE_UP_MORE:
				report_failure(job, mode, failure->error);
				result = try_alone(batch, failure, ++mode);
				break;
			case STEP_LEAVE_ROW:
				report_failure(job, mode, failure->error);
				put_last(recorder, job);
				failure->error = NULL;
				return false;
		}
	if (result != PGNET_GUARD_DONE)
	{
		failure->error = NULL;
		return false;
	}
	if (mode == PGNET_RECORD_REMOVE_ONLY)
	{
		/* whatever was decided, its row is gone */
		job->delivery.disposition = PGNET_FAILED;
		job->delivery.next_due = 0;
	}
	put_recorded(recorder, job);
	return true;
}

static NextStep
next_step(const Job *job, RecordMode mode, const ErrorData *error)
{
	if (mode == PGNET_RECORD_NORMAL && !job->slow && is_too_long(error))
		return STEP_LAST;
	if (pgnet_is_transient_error(error->sqlerrcode))
		return STEP_WAIT;
	return mode == PGNET_RECORD_REMOVE_ONLY ? STEP_LEAVE_ROW :
											  STEP_GIVE_UP_MORE;
}

static GuardResult
try_alone(const Batch *batch, BatchFailure *failure, RecordMode mode)
{
	Batch	   *alone = palloc(sizeof(Batch));
	GuardResult result;

	*alone = (Batch) {
		.guard = batch->guard,
		.pace = batch->pace,
		.jobs = {failure->job},
		.count = 1,
		.mode = mode,
		.seconds = SINGLE_SECONDS
	};
	result = pgnet_batch_record(alone, &failure->error);
	pfree(alone);
	return result;
}

/* The transaction was canceled by our own limit: pgnet_transaction_allow(). */
static bool
is_too_long(const ErrorData *error)
{
	return error->sqlerrcode == ERRCODE_QUERY_CANCELED;
}

/* Have a job recorded after the others; a slow one alone. */
static void
put_last(Recorder *recorder, Job *job)
{
	dlist_delete(&job->node);
	dlist_push_tail(&recorder->finished, &job->node);
}

/* Take a job from the list of those that are finished. */
static void
remove_finished(Recorder *recorder, Job *job)
{
	dlist_delete(&job->node);
	recorder->nfinished--;
	recorder->finished_bytes -= job->outcome.content_len;
}

/* The row of a finished job is gone: it is the caller's. */
static void
put_recorded(Recorder *recorder, Job *job)
{
	remove_finished(recorder, job);
	dlist_push_tail(&recorder->recorded, &job->node);
}

/* Responses can be recorded. */
static void
succeeded(Recorder *recorder)
{
	pgnet_backoff_succeeded(&recorder->backoff);
	if (recorder->backoff.logged)
		ereport(LOG, errmsg("pg_net can record responses again"));
	recorder->backoff.logged = false;
}

/* Once for a series of failures. */
static void
report_passing(Recorder *recorder, const ErrorData *error)
{
	if (!recorder->backoff.logged)
		ereport(WARNING,
				errcode(error->sqlerrcode),
				errmsg("pg_net could not record responses: %s", error->message),
				errdetail("They are kept in memory. The worker retries until it succeeds."),
				error->context ? errcontext("%s", error->context) : 0);
	recorder->backoff.logged = true;
}

static void
report_failure(const Job *job, RecordMode mode, const ErrorData *error)
{
	const char *consequence = NULL;

	switch (mode)
	{
		case PGNET_RECORD_NORMAL:
			consequence = "The worker retries it once without triggers.";
			break;
		case PGNET_RECORD_NO_TRIGGERS:
			consequence = "The response is lost; the request is not sent again.";
			break;
		case PGNET_RECORD_REMOVE_ONLY:
			consequence = "The request stays in net.http_request_queue.";
			break;
	}
	ereport(WARNING,
			errcode(error->sqlerrcode),
			errmsg("could not record the response of request " INT64_FORMAT
				   ": %s",
				   job->id, error->message),
			errdetail("%s", consequence),
			error->context ? errcontext("%s", error->context) : 0);
}
