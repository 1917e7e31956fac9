/*
 * crash_count.h -- how often the worker died while requests were in flight.
 *
 * Runs in: workers, inside a transaction with the tables locked.
 *
 * The row of a request has the count.  What the next death is charged to is in
 * net._installation, written before it is sent.
 */
#ifndef PGNET_CRASH_COUNT_H
#define PGNET_CRASH_COUNT_H

#include "postgres.h"

/* What a worker finds when it begins. */
typedef struct CrashCount
{
	int64		last_waiting;	/* the highest id; PG_INT64_MIN: nobody died */
	int			ncharged;		/* requests that have one death more now */
	int			uncharged;		/* as it was written */
} CrashCount;

/*
 * Find out whether the worker before died, and charge what was in flight with
 * it.  died says whether it is known to have, and alive whether it lived when
 * the server crashed, which is found out here.  Nothing is in flight any more.
 */
extern void pgnet_crash_count_begin(bool died, bool alive, CrashCount *count);

/*
 * If the worker dies now, that is charged to these requests, and so many
 * deaths in a row were charged to none of those with deaths.
 */
extern void pgnet_crash_count_write(const int64 *in_flight, int nin_flight,
									int uncharged);

#endif							/* PGNET_CRASH_COUNT_H */
