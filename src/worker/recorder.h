/*
 * recorder.h -- finished requests on their way into the tables.
 *
 * Runs in: workers.
 */
#ifndef PGNET_RECORDER_H
#define PGNET_RECORDER_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "lib/ilist.h"

#include "backoff.h"
#include "job.h"
#include "tables/responses/record.h"
#include "worker/access.h"
#include "worker/locked_jobs.h"
#include "worker/pace.h"

typedef struct Recorder
{
	dlist_head	finished;		/* decided, not recorded, in order; then slow */
	int			nfinished;
	size_t		finished_bytes; /* of their responses */
	TimestampTz waiting_since;	/* the first of them */
	TimestampTz slow_since;		/* the last one became slow */

	LockedJobs	locked;
	Pace		pace;			/* of batches */
	const Holder *last;			/* recorded; others come first next time */
	RecordMode	mode;			/* of the first try */

	dlist_head	recorded;		/* done with; the caller takes them */
	Backoff		backoff;
} Recorder;

extern void pgnet_recorder_init(Recorder *recorder);
extern void pgnet_recorder_add(Recorder *recorder, Job *job,
							   TimestampTz now);

/*
 * When is there something to record?  DT_NOEND: never, unless something comes.
 * busy: there is other work, too.
 */
extern TimestampTz pgnet_recorder_due(const Recorder *recorder, bool busy);

/*
 * Record one batch, moving its jobs to recorded, and take back those whose rows
 * are no longer locked.
 */
extern void pgnet_recorder_flush(Recorder *recorder, TableAccess *access,
								 TimestampTz now);

/* The worker leaves, and has tried long enough: leave triggers out. */
extern void pgnet_recorder_hurry(Recorder *recorder);

/* The tables are gone: forget all that was not recorded. */
extern void pgnet_recorder_clear(Recorder *recorder);

#endif							/* PGNET_RECORDER_H */
