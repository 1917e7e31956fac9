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
#include "worker/locked_jobs.h"
#include "worker/pace.h"
#include "worker/table_guard.h"

typedef struct Recorder
{
	dlist_head	finished;		/* not recorded, in order; slow ones last */
	int			nfinished;
	size_t		finished_bytes; /* of their responses */
	TimestampTz waiting_since;	/* of the first of them */
	TimestampTz slow_since;		/* the last one became slow */

	LockedJobs	locked;
	Pace		pace;			/* of batches */
	const Holder *last;			/* of the last batch; may be freed */
	RecordMode	mode;			/* of batches */

	dlist_head	recorded;		/* for the caller to take and free */
	Backoff		backoff;
} Recorder;

extern void pgnet_recorder_init(Recorder *recorder);
extern void pgnet_recorder_add(Recorder *recorder, Job *job,
							   TimestampTz now);

/*
 * When to call _flush(); DT_NOEND: not until more is finished.  busy: the
 * network has work.
 */
extern TimestampTz pgnet_recorder_due(const Recorder *recorder, bool busy);

/*
 * Record one batch, moving its jobs to recorded, and take back those whose rows
 * are no longer locked.
 */
extern void pgnet_recorder_flush(Recorder *recorder, TableGuard *guard,
								 TimestampTz now);

/* The worker exits, and has tried long enough: record without triggers. */
extern void pgnet_recorder_hurry(Recorder *recorder);

/* The tables were dropped: move all jobs to recorded. */
extern void pgnet_recorder_clear(Recorder *recorder);

#endif							/* PGNET_RECORDER_H */
