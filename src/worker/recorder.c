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
#include "tables/responses/record.h"
#include "tables/transaction.h"
#include "worker/batch.h"
#include "worker/complaints.h"
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

/* Rows that somebody holds locked are looked at again after this long. */
#define LOCKED_ROW_MS 1000

/* Those whose rows may be free. */
typedef struct Rows
{
	Job		  **jobs;
	int			count;
	int			nfree;			/* those at the front nobody holds locked */
} Rows;

static dlist_node *place_of_next(Recorder *recorder, TimestampTz now);
static TimestampTz batch_due(const Recorder *recorder, bool busy);
static void drop_stale(Recorder *recorder, TableAccess *access);
static void recheck_locked(Recorder *recorder, TableAccess *access,
						   TimestampTz now);
static void settle(Recorder *recorder, Batch *batch);
static void settle_failed(Recorder *recorder, Batch *batch, ErrorData *error);
static void settle_failures(Recorder *recorder, Batch *batch, TimestampTz now);
static void park_locked(Recorder *recorder, Batch *batch, TimestampTz now);
static bool record_alone(Recorder *recorder, const Batch *batch,
						 BatchFailure *failure);
static AccessResult try_alone(const Batch *batch, BatchFailure *failure,
							  RecordMode mode);
static bool is_too_long(const ErrorData *error);
static void put_last(Recorder *recorder, Job *job);
static void find_free_work(void *rows);
static void take_out(Recorder *recorder, Job *job);
static void put_locked(Recorder *recorder, Job *job,
					   TimestampTz now);

/* Start with nothing. */
void
pgnet_recorder_init(Recorder *recorder)
{
	*recorder = (Recorder) {0};
	dlist_init(&recorder->finished);
	dlist_init(&recorder->locked);
	dlist_init(&recorder->recorded);
}

/* Take a decided request. */
void
pgnet_recorder_add(Recorder *recorder, Job *job, TimestampTz now)
{
	if (recorder->nfinished == 0)
		recorder->waiting_since = now;
	dlist_insert_before(place_of_next(recorder, now), &job->node);
	recorder->nfinished++;
	recorder->finished_bytes += job->outcome.content_len;
}

/* The end of the list, or for a while the slow ones there. */
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

/* Record when a batch is full, when it has waited, or nothing else is to do. */
TimestampTz
pgnet_recorder_due(const Recorder *recorder, bool busy)
{
	TimestampTz due = DT_NOEND;

	if (recorder->nlocked > 0)
		due = recorder->locked_due;
	if (recorder->nfinished > 0)
		due = Min(due, batch_due(recorder, busy));
	return pgnet_backoff_after(&recorder->backoff, due);
}

/* When is the next batch to be recorded? */
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

/* Record one batch. */
void
pgnet_recorder_flush(Recorder *recorder, TableAccess *access, TimestampTz now)
{
	Batch	   *batch = palloc(sizeof(Batch));
	ErrorData  *error = NULL;

	drop_stale(recorder, access);
	if (recorder->nlocked > 0 && now >= recorder->locked_due)
		recheck_locked(recorder, access, now);
	*batch = (Batch) {
		.access = access,
		.pace = &recorder->pace,
		.mode = recorder->mode
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
		case PGNET_ACCESS_DONE:
			settle(recorder, batch);
			settle_failures(recorder, batch, now);
			break;
		case PGNET_ACCESS_BUSY:
			pgnet_backoff_failed(&recorder->backoff);
			break;
		case PGNET_ACCESS_GONE:
			drop_stale(recorder, access);
			break;
		case PGNET_ACCESS_FAILED:
			settle_failed(recorder, batch, error);
			settle_failures(recorder, batch, now);
			break;
	}
}

/* Leave the triggers out. */
void
pgnet_recorder_hurry(Recorder *recorder)
{
	if (recorder->mode == PGNET_RECORD_NORMAL && recorder->nfinished > 0)
		pgnet_complain_hurry(recorder->nfinished);
	recorder->mode = PGNET_RECORD_NO_TRIGGERS;
}

/* Forget what is there. */
void
pgnet_recorder_clear(Recorder *recorder)
{
	dlist_head *lists[] = {&recorder->finished, &recorder->locked};

	for (int i = 0; i < (int) lengthof(lists); i++)
		while (!dlist_is_empty(lists[i]))
			dlist_push_tail(&recorder->recorded, dlist_pop_head_node(lists[i]));
	recorder->nfinished = recorder->nlocked = 0;
	recorder->finished_bytes = 0;
}

/* Requests of a table that is gone have nowhere to be recorded. */
static void
drop_stale(Recorder *recorder, TableAccess *access)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &recorder->finished)
	{
		Job		   *job = dlist_container(Job, node, iter.cur);

		if (job->table != access->queue)
			take_out(recorder, job);
	}
}

/* Take back those whose rows are locked no more. */
static void
recheck_locked(Recorder *recorder, TableAccess *access, TimestampTz now)
{
	Batch	   *batch = palloc0(sizeof(Batch));
	Rows		rows = {.jobs = batch->jobs};
	ErrorData  *error = NULL;

	pgnet_batch_fill(batch, &recorder->locked, PGNET_BATCH_REQUESTS, NULL);
	rows.count = batch->count;
	if (pgnet_access_run(access, find_free_work, &rows, &error) !=
		PGNET_ACCESS_DONE)
		rows.nfree = 0;
	for (int i = 0; i < rows.count; i++)
	{
		/* those that are locked still go to the end of their list */
		dlist_delete(&rows.jobs[i]->node);
		recorder->nlocked--;
		if (i < rows.nfree)
			pgnet_recorder_add(recorder, rows.jobs[i], now);
		else
			put_locked(recorder, rows.jobs[i], now);
	}
	recorder->locked_due = TimestampTzPlusMilliseconds(now, LOCKED_ROW_MS);
}

/* A batch was committed. */
static void
settle(Recorder *recorder, Batch *batch)
{
	for (int i = 0; i < batch->nrecorded; i++)
		take_out(recorder, batch->jobs[i]);
	if (batch->nrecorded > 0)
	{
		recorder->last = batch->jobs[batch->nrecorded - 1]->holder;
		pgnet_backoff_succeeded(&recorder->backoff);
	}
	pgnet_pace_done(&recorder->pace, batch->nrecorded, batch->took_us);
	pgnet_pace_pieces(&recorder->pace, batch->piece_failed);
}

/* A batch failed as a whole: a smaller one is next. */
static void
settle_failed(Recorder *recorder, Batch *batch, ErrorData *error)
{
	batch->nfailures = batch->nrecorded = 0;
	if (batch->count > 1)
		pgnet_pace_failed(&recorder->pace, batch->count, is_too_long(error));
	else
		batch->failures[batch->nfailures++] =
			(BatchFailure) {batch->jobs[0], error};
}

/* Record those that could not be recorded with others, each for itself. */
static void
settle_failures(Recorder *recorder, Batch *batch, TimestampTz now)
{
	TimestampTz until = TimestampTzPlusMilliseconds(pgnet_clock_now(),
													ONE_BY_ONE_MS);
	const ErrorData *passing = NULL;
	bool		progress = batch->nrecorded > 0;

	if (batch->nfailures == 0)
		return;
	park_locked(recorder, batch, now);
	progress = progress || batch->nfailures == 0;
	for (int i = 0; i < batch->nfailures; i++)
	{
		BatchFailure *failure = &batch->failures[i];

		/* one for which there is no time is tried again with others */
		if (i > 0 && pgnet_clock_now() >= until)
			break;
		if (record_alone(recorder, batch, failure))
			progress = true;
		else
			passing = failure->error;
	}
	if (progress)
	{
		pgnet_backoff_succeeded(&recorder->backoff);
		return;
	}
	if (passing != NULL && recorder->backoff.pause_ms == 0)
		pgnet_complain_passing(passing);
	pgnet_backoff_failed(&recorder->backoff);
}

/* Those that failed because somebody holds their rows wait for that. */
static void
park_locked(Recorder *recorder, Batch *batch, TimestampTz now)
{
	Job		  **jobs = palloc(sizeof(Job *) * batch->nfailures);
	Rows		rows = {.jobs = jobs, .count = batch->nfailures};
	ErrorData  *error = NULL;
	int			left = 0;

	for (int i = 0; i < rows.count; i++)
		jobs[i] = batch->failures[i].job;
	if (pgnet_access_run(batch->access, find_free_work, &rows, &error) !=
		PGNET_ACCESS_DONE)
		return;
	for (int i = rows.nfree; i < rows.count; i++)
	{
		dlist_delete(&jobs[i]->node);
		recorder->nfinished--;
		recorder->finished_bytes -= jobs[i]->outcome.content_len;
		put_locked(recorder, jobs[i], now);
	}
	/* those that are free are in their old order */
	for (int i = 0; i < batch->nfailures; i++)
		if (left < rows.nfree && batch->failures[i].job == jobs[left])
			batch->failures[left++] = batch->failures[i];
	batch->nfailures = left;
}

/*
 * Record one that failed, giving up more with each try; false: not now, with
 * the error that passes if that is why.  Others go first then.
 */
static bool
record_alone(Recorder *recorder, const Batch *batch, BatchFailure *failure)
{
	Job		   *job = failure->job;
	AccessResult result = PGNET_ACCESS_FAILED;
	int			mode = batch->mode;

	/* whoever held its row has let go of it */
	if (failure->error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE)
		result = try_alone(batch, failure, mode);
	while (result == PGNET_ACCESS_FAILED)
	{
		bool		first = mode == PGNET_RECORD_NORMAL && !job->slow;

		if (first && is_too_long(failure->error))
		{
			job->slow = true;
			put_last(recorder, job);
			/* it took its time until now */
			recorder->slow_since = pgnet_clock_now();
			return true;
		}
		if (pgnet_trouble_passes(failure->error->sqlerrcode))
		{
			put_last(recorder, job);
			return false;
		}
		pgnet_complain_failure(job, mode, failure->error);
		if (mode == PGNET_RECORD_REMOVE_ONLY)
		{
			put_last(recorder, job);
			failure->error = NULL;
			return false;
		}
		result = try_alone(batch, failure, ++mode);
	}
	if (result != PGNET_ACCESS_DONE)
	{
		failure->error = NULL;
		return false;
	}
	take_out(recorder, job);
	return true;
}

/* Try to record one in a mode. */
static AccessResult
try_alone(const Batch *batch, BatchFailure *failure, RecordMode mode)
{
	Batch	   *alone = palloc(sizeof(Batch));
	AccessResult result;

	*alone = (Batch) {
		.access = batch->access,
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

/* Did it take too long? */
static bool
is_too_long(const ErrorData *error)
{
	return error->sqlerrcode == ERRCODE_QUERY_CANCELED;
}

/* Have a request recorded after the others; a slow one alone. */
static void
put_last(Recorder *recorder, Job *job)
{
	dlist_delete(&job->node);
	dlist_push_tail(&recorder->finished, &job->node);
}

/* TableWork: find out which rows nobody holds. */
static void
find_free_work(void *arg)
{
	Rows	   *rows = arg;

	rows->nfree = pgnet_responses_recordable(rows->jobs, rows->count);
}

/* A finished request is done with. */
static void
take_out(Recorder *recorder, Job *job)
{
	dlist_delete(&job->node);
	dlist_push_tail(&recorder->recorded, &job->node);
	recorder->nfinished--;
	recorder->finished_bytes -= job->outcome.content_len;
}

/* A request's row is in somebody's hands. */
static void
put_locked(Recorder *recorder, Job *job, TimestampTz now)
{
	if (recorder->nlocked == 0)
		recorder->locked_due = TimestampTzPlusMilliseconds(now, LOCKED_ROW_MS);
	dlist_push_tail(&recorder->locked, &job->node);
	recorder->nlocked++;
}
