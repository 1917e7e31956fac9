/*
 * recorder.c -- finished requests on their way into the tables.
 *
 * Runs in: workers.
 *
 * The rule is one transaction for a batch: it stores the responses and
 * removes the rows.  When that fails, each request of the batch gets a
 * transaction of its own, so that one request's trouble (a trigger that
 * raises, a constraint somebody added, a row somebody locked) stays its own.
 *
 * A request that was sent is never sent again because its response could not
 * be stored: rather the triggers are left out, and at last the response.
 */
#include "postgres.h"

#include "postmaster/interrupt.h"
#include "utils/elog.h"
#include "utils/timestamp.h"

#include "tables/response_log.h"
#include "tables/transaction.h"
#include "url.h"
#include "worker/clock.h"
#include "worker/complaints.h"
#include "worker/recorder.h"

/* A batch: enough to make a commit cheap, little enough to be quick. */
#define BATCH_REQUESTS 500
#define BATCH_BYTES ((size_t) 16 * 1024 * 1024)

/* How long a finished request may wait for the rest of its batch. */
#define BATCH_DELAY_MS 10

/* With so many not recorded, nothing more is sent. */
#define MAX_UNRECORDED 5000
#define MAX_UNRECORDED_BYTES ((size_t) 256 * 1024 * 1024)

/* Recording one by one gives way to the network after this long. */
#define ONE_BY_ONE_MS 200

/*
 * How long recording may take: a batch, one of a batch that failed, and one
 * alone that took longer than that.  Some trigger sleeps, and all wait.
 */
#define BATCH_SECONDS 3
#define SINGLE_SECONDS 1
#define SLOW_SECONDS 10

/* What finishes so long after a slow one goes before it. */
#define SLOW_PATIENCE_MS 1000

/* Rows that somebody holds locked are looked at again after this long. */
#define LOCKED_ROW_MS 1000

/* What one transaction records. */
typedef struct Batch
{
	TableAccess *access;
	HttpRequest *requests[BATCH_REQUESTS];
	int			count;
	RecordMode	mode;
	int			seconds;		/* it may take */
	int			nfree;			/* those at the front nobody holds locked */
} Batch;

static dlist_node *place_of_next(Recorder *recorder, TimestampTz now);
static void drop_stale(Recorder *recorder, TableAccess *access);
static void recheck_locked(Recorder *recorder, TableAccess *access,
						   TimestampTz now);
static void choose_batch(dlist_head *list, Batch *batch);
static void record_one_by_one(Recorder *recorder, Batch *batch,
							  TimestampTz now);
static bool record_one(Batch *batch, ErrorData **passing);
static void put_slow(Recorder *recorder, HttpRequest *request);
static void record_work(void *batch);
static void find_free_work(void *batch);
static void take_out(Recorder *recorder, HttpRequest *request);
static void put_locked(Recorder *recorder, HttpRequest *request,
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
pgnet_recorder_add(Recorder *recorder, HttpRequest *request, TimestampTz now)
{
	if (recorder->nfinished == 0)
		recorder->waiting_since = now;
	dlist_insert_before(place_of_next(recorder, now), &request->node);
	recorder->nfinished++;
	recorder->finished_bytes += request->outcome.content_len;
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
		   dlist_container(HttpRequest, node, place->prev)->slow)
		place = place->prev;
	return place;
}

/* Record when a batch is full, when it has waited, or nothing else is to do. */
bool
pgnet_recorder_is_due(const Recorder *recorder, TimestampTz now, bool busy)
{
	if (!pgnet_backoff_over(&recorder->backoff, now))
		return false;
	if (recorder->nlocked > 0 && now >= recorder->locked_due)
		return true;
	if (recorder->nfinished == 0)
		return false;
	return !busy || recorder->nfinished >= BATCH_REQUESTS ||
		recorder->finished_bytes >= BATCH_BYTES ||
		now >= TimestampTzPlusMilliseconds(recorder->waiting_since,
										   BATCH_DELAY_MS);
}

/* Is it more than can be kept in memory? */
bool
pgnet_recorder_is_full(const Recorder *recorder)
{
	return recorder->nfinished + recorder->nlocked >= MAX_UNRECORDED ||
		recorder->finished_bytes >= MAX_UNRECORDED_BYTES;
}

/* Record one batch. */
void
pgnet_recorder_flush(Recorder *recorder, TableAccess *access, TimestampTz now)
{
	Batch		batch = {.access = access, .mode = PGNET_RECORD_NORMAL};
	ErrorData  *error = NULL;

	drop_stale(recorder, access);
	if (recorder->nlocked > 0 && now >= recorder->locked_due)
		recheck_locked(recorder, access, now);
	choose_batch(&recorder->finished, &batch);
	if (batch.count == 0)
		return;

	batch.seconds = batch.requests[0]->slow ? SLOW_SECONDS : BATCH_SECONDS;
	recorder->waiting_since = now;
	switch (pgnet_access_run(access, record_work, &batch, &error))
	{
		case PGNET_ACCESS_DONE:
			for (int i = 0; i < batch.count; i++)
				take_out(recorder, batch.requests[i]);
			pgnet_backoff_succeeded(&recorder->backoff);
			break;
		case PGNET_ACCESS_BUSY:
			pgnet_backoff_failed(&recorder->backoff);
			break;
		case PGNET_ACCESS_GONE:
			drop_stale(recorder, access);
			break;
		case PGNET_ACCESS_FAILED:
			if (batch.requests[0]->slow &&
				error->sqlerrcode == ERRCODE_QUERY_CANCELED)
			{
				pgnet_complain_failure(batch.requests[0], batch.mode, error);
				batch.mode = PGNET_RECORD_NO_TRIGGERS;
			}
			FreeErrorData(error);
			record_one_by_one(recorder, &batch, now);
			break;
	}
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
		HttpRequest *request = dlist_container(HttpRequest, node, iter.cur);

		if (request->table != access->queue)
			take_out(recorder, request);
	}
}

/* Take back those whose rows are locked no more. */
static void
recheck_locked(Recorder *recorder, TableAccess *access, TimestampTz now)
{
	Batch		batch = {.access = access};
	ErrorData  *error = NULL;

	choose_batch(&recorder->locked, &batch);
	if (pgnet_access_run(access, find_free_work, &batch, &error) !=
		PGNET_ACCESS_DONE)
		batch.nfree = 0;
	for (int i = 0; i < batch.count; i++)
	{
		/* those that are locked still go to the end of their list */
		dlist_delete(&batch.requests[i]->node);
		recorder->nlocked--;
		if (i < batch.nfree)
			pgnet_recorder_add(recorder, batch.requests[i], now);
		else
			put_locked(recorder, batch.requests[i], now);
	}
	recorder->locked_due = TimestampTzPlusMilliseconds(now, LOCKED_ROW_MS);
}

/* The requests of a list that came first; a slow one alone. */
static void
choose_batch(dlist_head *list, Batch *batch)
{
	size_t		bytes = 0;
	dlist_iter	iter;

	dlist_foreach(iter, list)
	{
		HttpRequest *request = dlist_container(HttpRequest, node, iter.cur);
		bool		alone = request->slow;

		if (batch->count > 0)
			alone = alone || batch->requests[0]->slow;
		bytes += request->outcome.content_len;
		if (batch->count == BATCH_REQUESTS ||
			(batch->count > 0 && (bytes > BATCH_BYTES || alone)))
			break;
		batch->requests[batch->count++] = request;
	}
}

/* Record the requests of a batch, each for itself. */
static void
record_one_by_one(Recorder *recorder, Batch *batch, TimestampTz now)
{
	TimestampTz until = TimestampTzPlusMilliseconds(pgnet_clock_now(),
													ONE_BY_ONE_MS);
	ErrorData  *error = NULL;
	ErrorData  *passing = NULL;
	bool		progress = false;

	if (pgnet_access_run(batch->access, find_free_work, batch, &error) !=
		PGNET_ACCESS_DONE)
		batch->nfree = batch->count;
	for (int i = batch->nfree; i < batch->count; i++)
	{
		dlist_delete(&batch->requests[i]->node);
		recorder->nfinished--;
		recorder->finished_bytes -= batch->requests[i]->outcome.content_len;
		put_locked(recorder, batch->requests[i], now);
		progress = true;
	}
	for (int i = 0; i < batch->nfree; i++)
	{
		Batch		single = {
			.access = batch->access,
			.requests = {batch->requests[i]},
			.count = 1,
			.mode = batch->mode,
			.seconds = SINGLE_SECONDS,
		};
		bool		slow = batch->requests[i]->slow;

		if (record_one(&single, &passing))
		{
			take_out(recorder, batch->requests[i]);
			progress = true;
		}
		else if (batch->requests[i]->slow && !slow)
		{
			put_slow(recorder, batch->requests[i]);
			progress = true;
		}
		if (ShutdownRequestPending || pgnet_clock_now() >= until)
			break;
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

/*
 * Record one request, giving up more with each try; false: not now, with the
 * error that passes if that is why.
 */
static bool
record_one(Batch *batch, ErrorData **passing)
{
	static const RecordMode modes[] = {
		PGNET_RECORD_NORMAL, PGNET_RECORD_NO_TRIGGERS, PGNET_RECORD_REMOVE_ONLY
	};

	for (int i = batch->mode; i < (int) lengthof(modes); i++)
	{
		ErrorData  *error = NULL;
		AccessResult result;

		batch->mode = modes[i];
		result = pgnet_access_run(batch->access, record_work, batch, &error);
		if (result == PGNET_ACCESS_DONE)
			return true;
		if (result != PGNET_ACCESS_FAILED)
			return false;
		if (error->sqlerrcode == ERRCODE_QUERY_CANCELED &&
			batch->mode == PGNET_RECORD_NORMAL && !batch->requests[0]->slow)
		{
			batch->requests[0]->slow = true;
			FreeErrorData(error);
			return false;
		}
		if (pgnet_trouble_passes(error->sqlerrcode))
		{
			*passing = error;
			return false;
		}
		pgnet_complain_failure(batch->requests[0], batch->mode, error);
		FreeErrorData(error);
	}
	return false;
}

/* Have a request recorded alone, after the others. */
static void
put_slow(Recorder *recorder, HttpRequest *request)
{
	dlist_delete(&request->node);
	dlist_push_tail(&recorder->finished, &request->node);
	/* it took its time until now */
	recorder->slow_since = pgnet_clock_now();
}

/* TableWork: record a batch. */
static void
record_work(void *arg)
{
	Batch	   *batch = arg;

	pgnet_transaction_allow(batch->seconds);
	/* in a transaction at last: say what is wrong with a URL as at the call */
	for (int i = 0; i < batch->count; i++)
	{
		HttpRequest *request = batch->requests[i];
		char	   *problem = NULL;

		if (request->outcome.bad_url)
			problem = pgnet_url_problem(request->url);
		if (problem != NULL)
			pgnet_request_fail(request, problem);
	}
	pgnet_responses_record(batch->access->queue, batch->requests, batch->count,
						   batch->mode);
}

/* TableWork: find out which rows nobody holds. */
static void
find_free_work(void *arg)
{
	Batch	   *batch = arg;

	batch->nfree = pgnet_responses_recordable(batch->requests, batch->count);
}

/* A finished request is done with. */
static void
take_out(Recorder *recorder, HttpRequest *request)
{
	dlist_delete(&request->node);
	dlist_push_tail(&recorder->recorded, &request->node);
	recorder->nfinished--;
	recorder->finished_bytes -= request->outcome.content_len;
}

/* A request's row is in somebody's hands. */
static void
put_locked(Recorder *recorder, HttpRequest *request, TimestampTz now)
{
	if (recorder->nlocked == 0)
		recorder->locked_due = TimestampTzPlusMilliseconds(now, LOCKED_ROW_MS);
	dlist_push_tail(&recorder->locked, &request->node);
	recorder->nlocked++;
}
