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

	bool		active;			/* less is sent, or was until a moment ago */
	bool		none_returned;	/* no job came back since the last relaxation */
	bool		unrestricted;	/* relaxed until only the limits apply */
	uint32		logged;			/* shortages that were logged, a bit for each */
	Backoff		backoff;		/* when to relax */
	TimestampTz ends;			/* if unrestricted, and none come back */
} Throttle;

/*
 * Take back jobs that the engine could not send, and restrict what is in flight
 * to as many as it could.  Jobs of another table than queue are freed.
 */
extern void pgnet_throttle_collect(Throttle *throttle, Oid queue,
								   TimestampTz now);

/* Allow more in flight again, if that is due. */
extern void pgnet_throttle_relax(Throttle *throttle, TimestampTz now);

/* When to call pgnet_throttle_relax(); DT_NOEND: the throttle is not active. */
extern TimestampTz pgnet_throttle_due(const Throttle *throttle);

/* What the worker is short of, in a word; "": nothing. */
extern const char *pgnet_throttle_short_of(const Throttle *throttle);

#endif							/* PGNET_THROTTLE_H */
