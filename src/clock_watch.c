/*
 * clock_watch.c -- being told that somebody set the wall clock.
 *
 * Runs in: workers and the launcher.
 *
 * A timer that is far away on the wall clock, and is cancelled when that is set
 * discontinuously: timerfd_settime(2), TFD_TIMER_CANCEL_ON_SET.
 */
#include "postgres.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include "storage/fd.h"

#include "clock_watch.h"

static int	timer = -1;

static void arm(void);

int
pgnet_clock_watch_fd(void)
{
	static bool tried = false;

	if (tried)
		return timer;
	tried = true;
	if (!AcquireExternalFD())
		return -1;
	timer = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	if (timer < 0)
		ReleaseExternalFD();
	else
		arm();
	return timer;
}

void
pgnet_clock_watch_rearm(void)
{
	uint64		expirations;

	/* EAGAIN while it waits, ECANCELED when the clock was set */
	if (timer >= 0 && read(timer, &expirations, sizeof(expirations)) < 0 &&
		errno == ECANCELED)
		arm();
}

/* A time that does not come. */
static void
arm(void)
{
	struct itimerspec far_away = {.it_value.tv_sec = PG_INT32_MAX};

	(void) timerfd_settime(timer, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET,
						   &far_away, NULL);
}
