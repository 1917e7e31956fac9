/*
 * batch.c -- what one transaction records.
 *
 * Runs in: workers.
 *
 * Rows are recorded in pieces that grow, each in a subtransaction.  So a
 * trigger that sleeps holds up the network for one row only, and after one that
 * raises an error a single piece has to be recorded again, row by row.
 */
#include "postgres.h"

#include "common/hashfn.h"

#include "tables/transaction.h"
#include "url.h"
#include "worker/batch.h"
#include "worker/counting.h"

/* How long a piece may take. */
#define PIECE_SECONDS 1

/* The slowest rate at which large bodies are expected to be stored. */
#define BYTES_PER_SECOND ((size_t) 8 * 1024 * 1024)

/* Holders are distinguished by a hash with this many values. */
#define SHARES 64

/* The share of a holder in a batch is one part in so many. */
#define SHARE_DIVISOR 4

static int	share_of(const Holder *holder);
static bool fits(const Batch *batch, const Job *job, size_t *bytes);
static void record_work(void *batch);
static int	seconds_to_store(const Batch *batch);
static void explain_bad_urls(const Batch *batch);
static void record_pieces(Batch *batch, PaceRun *run);
static ErrorData *locked_error(const Batch *batch);
static void set_locked_aside(Batch *batch, ErrorData *error);
static void set_aside(Batch *batch, ErrorData *error);

void
pgnet_batch_fill(Batch *batch, const dlist_head *list, int max,
				 const Holder *last)
{
	int			share = Max(max / SHARE_DIVISOR, 1);
	int			taken[SHARES] = {0};
	size_t		bytes = 0;
	int			shared;
	int			known = 0;
	dlist_iter	iter;

	if (share == 1)
		taken[share_of(last)] = share;
	dlist_foreach(iter, unconstify(dlist_head *, list))
	{
		Job		   *job = dlist_container(Job, node, iter.cur);
		int		   *of_holder = &taken[share_of(job->holder)];

		if (batch->count == max)
			break;
		if (*of_holder == share)
			continue;
		if (!fits(batch, job, &bytes))
			break;
		(*of_holder)++;
		batch->jobs[batch->count++] = job;
	}
	shared = batch->count;
	dlist_foreach(iter, unconstify(dlist_head *, list))
	{
		Job		   *job = dlist_container(Job, node, iter.cur);

		if (known < shared && batch->jobs[known] == job)
			known++;
		else if (batch->count == max || !fits(batch, job, &bytes))
			break;
		else
			batch->jobs[batch->count++] = job;
	}
}

/*
 * The index of a holder in taken[].  It is not dereferenced: it may be freed.
 */
static int
share_of(const Holder *holder)
{
	return (int) (murmurhash32((uint32) (uintptr_t) holder) % SHARES);
}

/* May a job be one more of the batch?  The first always may. */
static bool
fits(const Batch *batch, const Job *job, size_t *bytes)
{
	if (batch->count > 0 && (job->slow || batch->jobs[0]->slow))
		return false;
	*bytes += job->outcome.content_len;
	return batch->count == 0 || *bytes <= PGNET_BATCH_BYTES;
}

GuardResult
pgnet_batch_record(Batch *batch, ErrorData **error)
{
	PaceRun		run;
	GuardResult result;

	batch->context = CurrentMemoryContext;
	pgnet_pace_begin(&run, batch->pace);
	result = pgnet_table_guard_run(batch->guard, record_work, batch, error);
	batch->took_us = pgnet_pace_took_us(&run);
	if (result == PGNET_GUARD_DONE)
		pgnet_counting_batch(batch->took_us);
	return result;
}

/* TableWork of pgnet_batch_record(). */
static void
record_work(void *arg)
{
	Batch	   *batch = arg;
	PaceRun		run;

	pgnet_pace_begin(&run, batch->pace);
	explain_bad_urls(batch);
	/* otherwise it would wait for each of many, in vain */
	if (batch->looks_first)
		set_locked_aside(batch, locked_error(batch));
	if (batch->count == 0)
		return;
	if (batch->count > 1)
	{
		record_pieces(batch, &run);
		return;
	}
	pgnet_transaction_allow(batch->seconds + seconds_to_store(batch));
	pgnet_responses_record(batch->guard->queue, batch->jobs, 1,
						   batch->mode);
	batch->nrecorded = 1;
}

/*
 * Time for a large body on a slow disk.  To give up and start over would only
 * take longer.
 */
static int
seconds_to_store(const Batch *batch)
{
	return (int) (batch->jobs[0]->outcome.content_len / BYTES_PER_SECOND);
}

/*
 * Say what is wrong with a URL, in the words of the call.  That takes a
 * transaction, as it may convert between encodings.
 */
static void
explain_bad_urls(const Batch *batch)
{
	for (int i = 0; i < batch->count; i++)
	{
		Job		   *job = batch->jobs[i];
		char	   *problem = NULL;

		if (job->outcome.bad_url && job->request.endpoint == NULL)
			problem = pgnet_url_problem(job->request.url);
		if (problem != NULL)
			pgnet_job_fail(job, problem);
	}
}

/* Record requests piece by piece, as long as there is time. */
static void
record_pieces(Batch *batch, PaceRun *run)
{
	MemoryContext before = MemoryContextSwitchTo(batch->context);
	bool		locked = false;
	int			rows;

	while ((rows = pgnet_pace_next(run, batch->count - batch->nrecorded)) > 0)
	{
		ErrorData  *error;

		pgnet_transaction_allow(PIECE_SECONDS);
		error = pgnet_responses_try_record(batch->guard->queue,
										   &batch->jobs[batch->nrecorded],
										   rows, batch->mode);
		if (error == NULL)
		{
			batch->nrecorded += rows;
			continue;
		}
		if (error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE && !locked)
		{
			/* this locks the others, so it happens once */
			locked = true;
			set_locked_aside(batch, error);
			continue;
		}
		batch->piece_failed = true;
		pgnet_pace_piece_failed(run);
		if (rows == 1)
			set_aside(batch, error);
	}
	MemoryContextSwitchTo(before);
}

/* The error of a row that was not even waited for. */
static ErrorData *
locked_error(const Batch *batch)
{
	ErrorData  *error = MemoryContextAllocZero(batch->context,
											   sizeof(ErrorData));

	error->elevel = ERROR;
	error->sqlerrcode = ERRCODE_LOCK_NOT_AVAILABLE;
	error->message = MemoryContextStrdup(batch->context,
										 "the row of the request is locked");
	return error;
}

/* Make failures of the jobs whose rows somebody else has locked. */
static void
set_locked_aside(Batch *batch, ErrorData *error)
{
	Job		  **left = &batch->jobs[batch->nrecorded];
	int			nleft = batch->count - batch->nrecorded;
	int			nfree = pgnet_responses_recordable(left, nleft);

	for (int i = nfree; i < nleft; i++)
		batch->failures[batch->nfailures++] = (BatchFailure) {left[i], error};
	batch->count -= nleft - nfree;
}

/* Make a failure of the next job. */
static void
set_aside(Batch *batch, ErrorData *error)
{
	Job		  **next = &batch->jobs[batch->nrecorded];

	batch->failures[batch->nfailures++] = (BatchFailure) {*next, error};
	batch->count--;
	memmove(next, next + 1,
			sizeof(Job *) * (batch->count - batch->nrecorded));
}
