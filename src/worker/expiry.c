/*
 * expiry.c -- removing responses that are older than pg_net.ttl.
 *
 * Runs in: workers.
 *
 * There is no polling: each run finds the oldest response that is left, and so
 * when the next run is due.  Ages are by the wall clock, as column created is.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "settings.h"
#include "tables/responses/expire.h"
#include "tables/transaction.h"
#include "worker/expiry.h"

/* Responses removed in one transaction, if there is time. */
#define EXPIRE_ROWS 1000

/* How long a piece of them may take, if a trigger sleeps. */
#define PIECE_SECONDS 1

/* So many that cannot be removed are skipped. */
#define MAX_SKIP 100

/* The least time between runs that did not remove a full batch. */
#define PAUSE_MS 1000

/* One run. */
typedef struct Look
{
	TimestampTz before;
	PaceRun		run;
	int			limit;
	int			skip;
	int			removed;
	bool		complete;		/* there are no more */
	bool		piece_failed;
	ErrorData  *error;			/* why one is skipped */
	MemoryContext context;		/* for error: the caller's */
	bool		any_left;
	TimestampTz oldest;
} Look;

static void remove_some(void *arg);
static void remove_piece(Look *look, int rows);
static void plan_next(Expiry *expiry, const Look *look);
static void note_refused(Expiry *expiry, const Look *look);
static TimestampTz plus_ttl(TimestampTz created);

/* Min: an earlier due stays; if the wall clock was set back, now is earlier. */
void
pgnet_expiry_note_recorded(Expiry *expiry)
{
	expiry->due = Min(expiry->due, plus_ttl(GetCurrentTimestamp()));
}

void
pgnet_expiry_look_now(Expiry *expiry)
{
	expiry->due = DT_NOBEGIN;
}

/* Converts from the wall clock to the clock of the worker. */
TimestampTz
pgnet_expiry_due(const Expiry *expiry, TimestampTz now, int patience_ms)
{
	TimestampTz due = expiry->due;

	if (!TIMESTAMP_NOT_FINITE(due))
		due = TimestampTzPlusMilliseconds(now + (due - GetCurrentTimestamp()),
										  patience_ms);
	due = pgnet_backoff_after(&expiry->backoff, due);
	return pgnet_backoff_after(&expiry->refused, due);
}

bool
pgnet_expiry_is_pending(const Expiry *expiry)
{
	return expiry->due <= GetCurrentTimestamp();
}

bool
pgnet_expiry_run(Expiry *expiry, TableGuard *guard)
{
	Look		look = {
		.before = GetCurrentTimestamp() - pgnet_setting_ttl(),
		.limit = pgnet_pace_rows(&expiry->pace, EXPIRE_ROWS),
		.skip = expiry->skip,
		.context = CurrentMemoryContext
	};

	pgnet_pace_begin(&look.run, &expiry->pace);
	if (!pgnet_table_guard_try(guard, &expiry->backoff, "remove expired responses",
							   remove_some, &look))
	{
		if (look.removed > 0)
			pgnet_pace_failed(&expiry->pace, look.removed, true);
		/* nothing is due in tables that are not there */
		if (guard->missing)
			expiry->due = DT_NOEND;
		return false;
	}
	pgnet_pace_done(&expiry->pace, look.removed, pgnet_pace_took_us(&look.run));
	pgnet_pace_pieces(&expiry->pace, look.piece_failed);
	plan_next(expiry, &look);
	return look.removed > 0;
}

/* TableWork: remove some, and find the oldest that is left. */
static void
remove_some(void *arg)
{
	Look	   *look = arg;
	while (!look->complete && look->skip <= MAX_SKIP)
	{
		int			rows = pgnet_pace_next(&look->run,
										   look->limit - look->removed);

		if (rows == 0)
			break;
		remove_piece(look, rows);
	}
	look->any_left = pgnet_responses_oldest(look->before, &look->oldest);
}

/* Remove a few in a subtransaction; one that cannot be removed is skipped. */
static void
remove_piece(Look *look, int rows)
{
	MemoryContext before = MemoryContextSwitchTo(look->context);
	int			count;
	ErrorData  *error;

	pgnet_transaction_allow(PIECE_SECONDS);
	error = pgnet_responses_try_expire(look->before, look->skip, rows, &count);
	MemoryContextSwitchTo(before);
	if (error == NULL)
	{
		look->removed += count;
		look->complete = count < rows;
		return;
	}
	look->piece_failed = true;
	pgnet_pace_piece_failed(&look->run);
	if (rows > 1)
		return;
	look->skip++;
	look->error = error;
}

static void
plan_next(Expiry *expiry, const Look *look)
{
	expiry->skip = look->skip;
	note_refused(expiry, look);
	if (!look->complete)
		expiry->due = DT_NOBEGIN;
	else if (look->any_left)
		expiry->due = Max(plus_ttl(look->oldest),
						  TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
													  PAUSE_MS));
	else
		expiry->due = DT_NOEND;
}

/* Log once that some could not be removed; try those again after a pause. */
static void
note_refused(Expiry *expiry, const Look *look)
{
	if (look->error != NULL && !expiry->said_refused)
	{
		ereport(WARNING,
				errcode(look->error->sqlerrcode),
				errmsg("pg_net could not remove expired responses: %s",
					   look->error->message),
				errdetail("Other expired responses are removed. The worker retries these until it succeeds."),
				look->error->context ? errcontext("%s", look->error->context) :
									   0);
		expiry->said_refused = true;
	}
	if (!look->complete && look->skip <= MAX_SKIP)
		return;
	if (look->skip > 0)
		pgnet_backoff_failed(&expiry->refused);
	else
	{
		pgnet_backoff_succeeded(&expiry->refused);
		expiry->said_refused = false;
	}
	expiry->skip = 0;
}

static TimestampTz
plus_ttl(TimestampTz created)
{
	return created + pgnet_setting_ttl();
}
