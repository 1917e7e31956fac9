/*
 * clock.h -- the time that pauses and deadlines go by.
 *
 * Runs in: every process.
 */
#ifndef PGNET_CLOCK_H
#define PGNET_CLOCK_H

#include "postgres.h"

#include "utils/timestamp.h"

/* Begin to count.  Runs in: the postmaster. */
extern void pgnet_clock_init(void);

/*
 * The time that is no matter who sets the clock: the wall clock's when the
 * server started, plus what went by since.  All processes of a server have the
 * same, so it can be in shared memory.  For what is in tables, such as the age
 * of a response, there is GetCurrentTimestamp().
 */
extern TimestampTz pgnet_clock_now(void);

#endif							/* PGNET_CLOCK_H */
