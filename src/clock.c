/*
 * clock.c -- the time that pauses and deadlines go by.
 *
 * Runs in: every process.
 *
 * Somebody sets the wall clock back by an hour: nothing may wait an hour for
 * that, not even a server that stops.
 */
#include "postgres.h"

#include "portability/instr_time.h"

#include "clock.h"

/* Inherited from the postmaster. */
static TimestampTz start_wall = 0;
static instr_time start;

void
pgnet_clock_init(void)
{
	INSTR_TIME_SET_CURRENT(start);
	start_wall = GetCurrentTimestamp();
}

TimestampTz
pgnet_clock_now(void)
{
	instr_time	passed;

	if (start_wall == 0)
		pgnet_clock_init();
	INSTR_TIME_SET_CURRENT(passed);
	INSTR_TIME_SUBTRACT(passed, start);
	return start_wall + (TimestampTz) INSTR_TIME_GET_MICROSEC(passed);
}
