/*
 * restraint.h -- sending less while this machine is short of something.
 *
 * Runs in: workers.
 */
#ifndef PGNET_RESTRAINT_H
#define PGNET_RESTRAINT_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "backoff.h"
#include "http/engine.h"
#include "worker/lanes.h"
#include "worker/recorder.h"
#include "worker/suspects.h"

typedef struct Restraint
{
	Jobs	   *jobs;
	Lanes	   *lanes;			/* what cannot be sent waits here again */
	HttpEngine *engine;
	Recorder   *recorder;		/* gets what has tried in vain */
	Suspects   *suspects;		/* count what is in flight, too */

	bool		lasts;
	bool		quiet;			/* nothing came back since there is more room */
	bool		full;			/* there is all the room the limits give */
	uint32		said;			/* shortages that are in the log, as bits */
	Backoff		backoff;		/* until there is more room */
	TimestampTz calm;			/* when it is over, if full */
} Restraint;

/*
 * Take back requests that the engine could not send, and send no more at a
 * time than goes now.  Those of other tables than queue are forgotten.
 */
extern void pgnet_restraint_collect(Restraint *restraint, Oid queue,
									TimestampTz now);

/* Send more again, when it is time. */
extern void pgnet_restraint_relax(Restraint *restraint, TimestampTz now);

/* When that is; DT_NOEND while all goes well. */
extern TimestampTz pgnet_restraint_due(const Restraint *restraint);

#endif							/* PGNET_RESTRAINT_H */
