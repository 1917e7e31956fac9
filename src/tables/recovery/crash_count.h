/*
 * crash_count.h -- how often the worker died while requests were in flight.
 *
 * Runs in: workers, inside a transaction with the tables locked.
 *
 * The count of a request is in its row.  The requests that the next death is
 * charged to are in net._installation, and are written there before they are
 * sent.
 */
#ifndef PGNET_CRASH_COUNT_H
#define PGNET_CRASH_COUNT_H

#include "postgres.h"

/* What a worker finds when it begins. */
typedef struct CrashCount
{
	int64		last_waiting;	/* the highest id; PG_INT64_MIN: no death */
	int			ncharged;		/* how many requests a death was added to */
	int			uncharged;		/* as pgnet_crash_count_write() wrote it */
} CrashCount;

/*
 * Find out whether the last worker died, add a death to the requests that were
 * written down, and clear the list.  died: shared memory says that it did.
 * alive: it left a mark (alive_mark.h), so a crash of the server, which this
 * function detects, was not its death.
 */
extern void pgnet_crash_count_begin(bool died, bool alive, CrashCount *count);

/*
 * Write down which requests a death is charged to from now on, and how many
 * deaths in a row were not charged to requests with deaths (see quarantine.c).
 */
extern void pgnet_crash_count_write(const int64 *in_flight, int nin_flight,
									int uncharged);

#endif							/* PGNET_CRASH_COUNT_H */
