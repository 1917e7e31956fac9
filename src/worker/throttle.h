/*
 * throttle.h -- sending less while the machine is short of a resource.
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
#include "worker/quarantine.h"
#include "worker/recorder.h"

typedef struct Throttle
{
	Jobs	   *jobs;
	Lanes	   *lanes;			/* where jobs that were not sent wait again */
	HttpEngine *engine;
	Recorder   *recorder;		/* gets those that are given up */
	Quarantine *quarantine;		/* counts what is in flight, too */

	bool		lasts;			/* there is a shortage */
	bool		quiet;			/* no job came back since it was relaxed */
	bool		full;			/* no restriction is left but the limits */
	uint32		said;			/* shortages that were logged, a bit for each */
	Backoff		backoff;		/* when to relax */
	TimestampTz calm;			/* when it ends, if full */
} Throttle;

/*
 * Take back jobs that the engine could not send, and have no more in flight
 * than those that it could.  Jobs of another table than queue are freed.
 */
extern void pgnet_throttle_collect(Throttle *throttle, Oid queue,
								   TimestampTz now);

/* Allow more in flight again, if that is due. */
extern void pgnet_throttle_relax(Throttle *throttle, TimestampTz now);

/* When to call that; DT_NOEND: there is no shortage. */
extern TimestampTz pgnet_throttle_due(const Throttle *throttle);

#endif							/* PGNET_THROTTLE_H */
