/*
 * given_up.h -- how much is kept of what was given up, for each receiver.
 *
 * Runs in: workers.
 *
 * What was given up does not count for the quotas of roles, so that a dead
 * receiver does not stop the writes of an application.  So there is a limit of
 * its own, for each lane; the oldest rows go first.  They are counted in steps,
 * and only after some were given up and while the queue is large; that takes
 * reading them, so the limit is exceeded for a while.
 */
#ifndef PGNET_GIVEN_UP_H
#define PGNET_GIVEN_UP_H

#include "postgres.h"

#include "utils/hsearch.h"

#include "job.h"
#include "tables/queue/queue.h"
#include "worker/table_guard.h"

typedef enum GivenUpPhase
{
	GIVEN_UP_IDLE,
	GIVEN_UP_COUNTING,
	GIVEN_UP_REMOVING
} GivenUpPhase;

/* All zero: nothing to do. */
typedef struct GivenUp
{
	bool		recorded;		/* some were given up since the last count */
	GivenUpPhase phase;
	HTAB	   *lanes;			/* LaneGivenUp, while counting or removing */
	int			nover;			/* how many of them have too much */
	DuePlace	place;			/* to read on from */
	int64		spent_us;		/* in the steps of this count */
	TimestampTz stepped;		/* when the last step ended */
	TimestampTz not_before;		/* when the next count may begin */
	Backoff		backoff;
} GivenUp;

/* A job was recorded. */
extern void pgnet_given_up_note(GivenUp *given_up, const Job *job);

/* When to run; DT_NOEND: not now.  busy: the network has work. */
extern TimestampTz pgnet_given_up_due(const GivenUp *given_up,
									  const TableGuard *guard, bool busy);

/* Begin a count if there is need, or do a step of it. */
extern void pgnet_given_up_run(GivenUp *given_up, TableGuard *guard);

/* The tables were replaced. */
extern void pgnet_given_up_forget(GivenUp *given_up);

#endif							/* PGNET_GIVEN_UP_H */
