/*
 * backoff.c -- trying again after trouble, less often each time.
 *
 * Runs in: workers and the launcher.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "backoff.h"
#include "clock.h"

/* The first pause is short enough not to be noticed behind a short lock. */
#define FIRST_PAUSE_MS 50
#define LAST_PAUSE_MS 10000

bool
pgnet_backoff_over(const Backoff *backoff, TimestampTz now)
{
	return backoff->pause_ms == 0 || now >= backoff->until;
}

TimestampTz
pgnet_backoff_after(const Backoff *backoff, TimestampTz due)
{
	return backoff->pause_ms == 0 ? due : Max(due, backoff->until);
}

/* Pause, twice as long as the last time. */
void
pgnet_backoff_failed(Backoff *backoff)
{
	backoff->pause_ms = Min(backoff->pause_ms * 2, LAST_PAUSE_MS);
	pgnet_backoff_again(backoff);
}

void
pgnet_backoff_succeeded(Backoff *backoff)
{
	backoff->pause_ms = 0;
}

/* Pause, as long as the last time. */
void
pgnet_backoff_again(Backoff *backoff)
{
	backoff->pause_ms = Max(backoff->pause_ms, FIRST_PAUSE_MS);
	backoff->until = TimestampTzPlusMilliseconds(pgnet_clock_now(),
												 backoff->pause_ms);
}
