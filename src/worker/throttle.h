/*
 * throttle.h -- sending less while this machine is short of something.
 *
 * Runs in: workers.
 */
#ifndef PGNET_THROTTLE_H
#define PGNET_THROTTLE_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "backoff.h"
#include "http/engine.h"
#include "worker/lanes.h"
#include "worker/recorder.h"
#include "worker/suspects.h"

typedef struct Throttle
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
} Throttle;

/*
 * Take back requests that the engine could not send, and send no more at a
 * time than goes now.  Those of other tables than queue are forgotten.
 */
extern void pgnet_throttle_collect(Throttle *throttle, Oid queue,
								   TimestampTz now);

/* Send more again, when it is time. */
extern void pgnet_throttle_relax(Throttle *throttle, TimestampTz now);

/* When that is; DT_NOEND while all goes well. */
extern TimestampTz pgnet_throttle_due(const Throttle *throttle);

#endif							/* PGNET_THROTTLE_H */
