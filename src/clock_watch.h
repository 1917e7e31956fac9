/*
 * clock_watch.h -- being told that somebody set the wall clock.
 *
 * Runs in: workers and the launcher.  What is due by the wall clock may be due
 * earlier, or later, than a process counts on that sleeps until then.
 */
#ifndef PGNET_CLOCK_WATCH_H
#define PGNET_CLOCK_WATCH_H

#include "postgres.h"

/*
 * A descriptor that is readable when the clock was set, for as long as the
 * process lives, or -1 if the kernel cannot tell.  Does not throw.
 */
extern int	pgnet_clock_watch_fd(void);

/* Make it wait for the next time.  Call it whenever a wait has ended. */
extern void pgnet_clock_watch_rearm(void);

#endif							/* PGNET_CLOCK_WATCH_H */
