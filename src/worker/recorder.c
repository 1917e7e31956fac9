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

#include "utils/elog.h"
#include "utils/memutils.h"

#include "tables/catalog.h"
#include "tables/response_log.h"
#include "tables/transaction.h"
#include "worker/recorder.h"

/* A batch: enough to make a commit cheap, little enough to be quick. */
#define BATCH_REQUESTS 500
#define BATCH_BYTES ((size_t) 16 * 1024 * 1024)

static int	choose_batch(Recorder *recorder, HttpRequest **batch);
static bool record_batch(HttpRequest **batch, int count);
static bool record_one_by_one(Recorder *recorder, HttpRequest **batch,
							  int count);
static int	recordable(HttpRequest **batch, int count);
static bool record_one(HttpRequest *request);
static bool record_in_mode(HttpRequest *request, RecordMode mode,
						   bool *is_passing);
static void report_failure(const HttpRequest *request, RecordMode mode,
						   const ErrorData *error);
static void move_to_recorded(Recorder *recorder, HttpRequest **batch,
							 int count);
static bool is_passing_trouble(int sqlerrcode);
static ErrorData *catch_error(MemoryContext caller_context);

/* Start with nothing. */
void
pgnet_recorder_init(Recorder *recorder)
{
	dlist_init(&recorder->finished);
	dlist_init(&recorder->recorded);
	recorder->nfinished = 0;
}

/* Take a decided request. */
void
pgnet_recorder_add(Recorder *recorder, HttpRequest *request)
{
	dlist_push_tail(&recorder->finished, &request->node);
	recorder->nfinished++;
}

/* Is a batch full? */
bool
pgnet_recorder_is_full(const Recorder *recorder)
{
	return recorder->nfinished >= BATCH_REQUESTS;
}

/* Record one batch. */
bool
pgnet_recorder_flush(Recorder *recorder)
{
	HttpRequest *batch[BATCH_REQUESTS];
	int			count = choose_batch(recorder, batch);

	if (count == 0)
		return true;
	if (record_batch(batch, count))
	{
		move_to_recorded(recorder, batch, count);
		return true;
	}
	return record_one_by_one(recorder, batch, count);
}

/* The requests that were finished first. */
static int
choose_batch(Recorder *recorder, HttpRequest **batch)
{
	size_t		bytes = 0;
	int			count = 0;
	dlist_iter	iter;

	dlist_foreach(iter, &recorder->finished)
	{
		HttpRequest *request = dlist_container(HttpRequest, node, iter.cur);

		bytes += request->outcome.content_len;
		if (count == BATCH_REQUESTS || (count > 0 && bytes > BATCH_BYTES))
			break;
		batch[count++] = request;
	}
	return count;
}

/* Record a batch in one transaction; false when that failed, in silence. */
static bool
record_batch(HttpRequest **batch, int count)
{
	MemoryContext caller_context = CurrentMemoryContext;
	volatile bool done = false;

	pgnet_transaction_begin();
	PG_TRY();
	{
		if (pgnet_catalog_lock_tables() == PGNET_TABLES_LOCKED)
		{
			pgnet_responses_record(batch, count, PGNET_RECORD_NORMAL);
			done = true;
		}
		pgnet_transaction_commit();
	}
	PG_CATCH();
	{
		FreeErrorData(catch_error(caller_context));
		pgnet_transaction_abort();
		done = false;
	}
	PG_END_TRY();
	return done;
}

/* Record the requests of a batch, each for itself; false if any remain. */
static bool
record_one_by_one(Recorder *recorder, HttpRequest **batch, int count)
{
	int			free_rows = recordable(batch, count);
	bool		all = free_rows == count;

	for (int i = 0; i < free_rows; i++)
	{
		if (record_one(batch[i]))
			move_to_recorded(recorder, &batch[i], 1);
		else
			all = false;
	}
	return all;
}

/*
 * How many of a batch may be recorded now; those come first.  0 when the
 * tables are locked or cannot be read.
 */
static int
recordable(HttpRequest **batch, int count)
{
	MemoryContext caller_context = CurrentMemoryContext;
	volatile int free_rows = 0;

	pgnet_transaction_begin();
	PG_TRY();
	{
		if (pgnet_catalog_lock_tables() == PGNET_TABLES_LOCKED)
			free_rows = pgnet_responses_recordable(batch, count);
		pgnet_transaction_commit();
	}
	PG_CATCH();
	{
		FreeErrorData(catch_error(caller_context));
		pgnet_transaction_abort();
		free_rows = 0;
	}
	PG_END_TRY();
	return free_rows;
}

/* Record one request, giving up more with each try; false: not now. */
static bool
record_one(HttpRequest *request)
{
	static const RecordMode modes[] = {
		PGNET_RECORD_NORMAL, PGNET_RECORD_NO_TRIGGERS, PGNET_RECORD_REMOVE_ONLY
	};

	for (int i = 0; i < (int) lengthof(modes); i++)
	{
		bool		is_passing = false;

		if (record_in_mode(request, modes[i], &is_passing))
			return true;
		if (is_passing)
			return false;
	}
	return false;
}

/*
 * Record one request in a transaction of its own.  Trouble that will pass is
 * reported to the caller, any other to the log.
 */
static bool
record_in_mode(HttpRequest *request, RecordMode mode, bool *is_passing)
{
	MemoryContext caller_context = CurrentMemoryContext;
	ErrorData  *volatile error = NULL;
	volatile bool done = false;

	pgnet_transaction_begin();
	PG_TRY();
	{
		*is_passing = pgnet_catalog_lock_tables() != PGNET_TABLES_LOCKED;
		if (!*is_passing)
			pgnet_responses_record(&request, 1, mode);
		pgnet_transaction_commit();
		done = !*is_passing;
	}
	PG_CATCH();
	{
		error = catch_error(caller_context);
		pgnet_transaction_abort();
	}
	PG_END_TRY();
	if (error == NULL)
		return done;

	*is_passing = is_passing_trouble(error->sqlerrcode);
	if (!*is_passing)
		report_failure(request, mode, error);
	FreeErrorData(error);
	return false;
}

/* Say which response could not be recorded, and what follows. */
static void
report_failure(const HttpRequest *request, RecordMode mode,
			   const ErrorData *error)
{
	const char *consequence = NULL;

	switch (mode)
	{
		case PGNET_RECORD_NORMAL:
			consequence = "It is tried once more without triggers.";
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
				   request->id, error->message),
			errdetail("%s", consequence),
			error->context ? errcontext("%s", error->context) : 0);
}

/* These are done. */
static void
move_to_recorded(Recorder *recorder, HttpRequest **batch, int count)
{
	for (int i = 0; i < count; i++)
	{
		dlist_delete(&batch[i]->node);
		dlist_push_tail(&recorder->recorded, &batch[i]->node);
	}
	recorder->nfinished -= count;
}

/*
 * Will an error go away without anybody changing the tables?  A full disk, a
 * row that is locked, a deadlock: such a response is kept and tried again.
 */
static bool
is_passing_trouble(int sqlerrcode)
{
	int			category = ERRCODE_TO_CATEGORY(sqlerrcode);

	return sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE ||
		category == ERRCODE_INSUFFICIENT_RESOURCES ||
		category == ERRCODE_TRANSACTION_ROLLBACK ||
		category == ERRCODE_SYSTEM_ERROR;
}

/* Copy the error that was thrown, out of the transaction that ends. */
static ErrorData *
catch_error(MemoryContext caller_context)
{
	ErrorData  *error;

	MemoryContextSwitchTo(caller_context);
	error = CopyErrorData();
	FlushErrorState();
	return error;
}
