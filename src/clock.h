/*
 * clock.h -- the time a worker's pauses and deadlines go by.
 *
 * Runs in: workers and the launcher.
 */
#ifndef PGNET_CLOCK_H
#define PGNET_CLOCK_H

#include "postgres.h"

#include "utils/timestamp.h"

/*
 * The time that is no matter who sets the clock: the wall clock's when the
 * worker first asked, plus what went by since.  For what is in tables, such
 * as the age of a response, there is GetCurrentTimestamp().
 */
extern TimestampTz pgnet_clock_now(void);

#endif							/* PGNET_CLOCK_H */
