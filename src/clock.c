/*
 * clock.c -- the time a worker's pauses and deadlines go by.
 *
 * Runs in: workers and the launcher.
 *
 * Somebody sets the wall clock back by an hour: nothing may wait an hour for
 * that, not even a server that stops.
 */
#include "postgres.h"

#include "portability/instr_time.h"

#include "clock.h"

TimestampTz
pgnet_clock_now(void)
{
	static TimestampTz first_asked = 0;
	static instr_time start;
	instr_time	passed;

	INSTR_TIME_SET_CURRENT(passed);
	if (first_asked == 0)
	{
		first_asked = GetCurrentTimestamp();
		start = passed;
	}
	INSTR_TIME_SUBTRACT(passed, start);
	return first_asked + (TimestampTz) INSTR_TIME_GET_MICROSEC(passed);
}
