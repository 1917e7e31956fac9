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
#include "tables/response_log.h"
#include "worker/expiry.h"

/* Responses removed in one transaction. */
#define EXPIRE_ROWS 1000

/* Between looks that do not remove a full batch, so that they stay few. */
#define PAUSE_MS 1000

/* One look. */
typedef struct Look
{
	TimestampTz before;
	int			removed;
	bool		any_left;
	TimestampTz oldest;
} Look;

static void remove_some(void *arg);
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

/* Is something due, and may it be tried? */
bool
pgnet_expiry_is_due(const Expiry *expiry, TimestampTz now, int patience_ms)
{
	TimestampTz wall;

	if (expiry->due == DT_NOEND || !pgnet_backoff_over(&expiry->backoff, now))
		return false;
	wall = GetCurrentTimestamp();
	return expiry->due <= TimestampTzPlusMilliseconds(wall, -patience_ms);
}

/* Tell the time in the worker's own. */
TimestampTz
pgnet_expiry_due(const Expiry *expiry, TimestampTz now)
{
	if (TIMESTAMP_NOT_FINITE(expiry->due))
		return expiry->due;
	return now + (expiry->due - GetCurrentTimestamp());
}

/* Remove what is due. */
bool
pgnet_expiry_run(Expiry *expiry, TableAccess *access)
{
	TimestampTz wall = GetCurrentTimestamp();
	Look		look = {.before = wall - pgnet_setting_ttl()};

	if (!pgnet_access_try(access, &expiry->backoff, "remove expired responses",
						  remove_some, &look))
	{
		/* nothing is due in tables that are not there */
		if (access->missing)
			expiry->due = DT_NOEND;
		return false;
	}
	if (look.removed == EXPIRE_ROWS)
		expiry->due = DT_NOBEGIN;
	else if (look.any_left)
		expiry->due = Max(plus_ttl(look.oldest),
						  TimestampTzPlusMilliseconds(wall, PAUSE_MS));
	else
		expiry->due = DT_NOEND;
	return look.removed > 0;
}

/* TableWork: remove some, and see when the next is due. */
static void
remove_some(void *arg)
{
	Look	   *look = arg;

	look->removed = pgnet_responses_expire(look->before, EXPIRE_ROWS);
	look->any_left = pgnet_responses_oldest(&look->oldest);
}

/* When a response of that age goes. */
static TimestampTz
plus_ttl(TimestampTz created)
{
	return created + pgnet_setting_ttl();
}
