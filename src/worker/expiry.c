/*
 * expiry.c -- removing responses that are older than pg_net.ttl.
 *
 * Runs in: workers.
 *
 * Nothing polls: after each look the time of the next is known, from the
 * oldest response that is left.  By the wall clock, as its age is.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "settings.h"
#include "tables/responses/expire.h"
#include "tables/transaction.h"
#include "worker/expiry.h"

/* Responses removed in one transaction, if there is time. */
#define EXPIRE_ROWS 1000

/* How long some of them may take: a trigger sleeps, and all wait. */
#define PIECE_SECONDS 1

/* So many that cannot be removed are passed by. */
#define MAX_SKIP 100

/* Between looks that do not remove a full batch, so that they stay few. */
#define PAUSE_MS 1000

/* One look. */
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
	MemoryContext context;		/* of that: the caller's */
	bool		any_left;
	TimestampTz oldest;
} Look;

static void remove_some(void *arg);
static void remove_piece(Look *look, int rows);
static void plan_next(Expiry *expiry, const Look *look);
static void note_refused(Expiry *expiry, const Look *look);
static TimestampTz plus_ttl(TimestampTz created);

/* Know that there is something to look for, the oldest if time went back. */
void
pgnet_expiry_note_recorded(Expiry *expiry)
{
	expiry->due = Min(expiry->due, plus_ttl(GetCurrentTimestamp()));
}

/* Look at the next opportunity. */
void
pgnet_expiry_look_now(Expiry *expiry)
{
	expiry->due = DT_NOBEGIN;
}

/* Tell the time in the worker's own. */
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

/* Remove what is due. */
bool
pgnet_expiry_run(Expiry *expiry, TableAccess *access)
{
	Look		look = {
		.before = GetCurrentTimestamp() - pgnet_setting_ttl(),
		.limit = pgnet_pace_rows(&expiry->pace, EXPIRE_ROWS),
		.skip = expiry->skip,
		.context = CurrentMemoryContext
	};

	pgnet_pace_begin(&look.run, &expiry->pace);
	if (!pgnet_access_try(access, &expiry->backoff, "remove expired responses",
						  remove_some, &look))
	{
		if (look.removed > 0)
			pgnet_pace_failed(&expiry->pace, look.removed, true);
		/* nothing is due in tables that are not there */
		if (access->missing)
			expiry->due = DT_NOEND;
		return false;
	}
	pgnet_pace_done(&expiry->pace, look.removed, pgnet_pace_took_us(&look.run));
	pgnet_pace_pieces(&expiry->pace, look.piece_failed);
	plan_next(expiry, &look);
	return look.removed > 0;
}

/* TableWork: remove some, and see when the next is due. */
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
	look->any_left = pgnet_responses_oldest(&look->oldest);
}

/* Remove a few.  One that cannot be removed must not keep the others. */
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

/* When to look again. */
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

/* Say once that some stay, and try those again after a pause. */
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

/* When a response of that age goes. */
static TimestampTz
plus_ttl(TimestampTz created)
{
	return created + pgnet_setting_ttl();
}
