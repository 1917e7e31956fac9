/*
 * lifetime.h -- when a worker exits.
 *
 * Runs in: workers.
 */
#ifndef PGNET_LIFETIME_H
#define PGNET_LIFETIME_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "shared/worker_state.h"

typedef struct Lifetime
{
	WorkerState *worker;
	bool		finishing;		/* send nothing new */
	bool		over;			/* exit at the end of the cycle */
	bool		idle;
	TimestampTz idle_since;
	TimestampTz due;			/* when to call _step(); DT_NOEND: never */

	bool		refused;		/* a request to yield */
	int			patience_ms;	/* how long what is in flight may last */
	TimestampTz progress_at;	/* all in flight was sent then or later */
} Lifetime;

/* What a worker that is about to rest waits for. */
typedef enum LifetimeState
{
	PGNET_LIFETIME_WORKING,		/* what is in flight, or not recorded yet */
	PGNET_LIFETIME_WAITING,		/* until more can be sent or removed */
	PGNET_LIFETIME_IDLE,		/* for something new */
	PGNET_LIFETIME_NO_EXTENSION /* for the extension to be created */
} LifetimeState;

extern void pgnet_lifetime_init(Lifetime *lifetime, WorkerState *worker,
								TimestampTz now);

/* Each cycle: is the worker to yield, or blocked? */
extern void pgnet_lifetime_obey(Lifetime *lifetime);

/* All that was in flight when this was last called is recorded. */
extern void pgnet_lifetime_note_progress(Lifetime *lifetime, TimestampTz now);

/* Each cycle: refuse to yield if requests in flight take too long. */
extern void pgnet_lifetime_refuse(Lifetime *lifetime, TimestampTz now);

/* Something was recorded: pg_net.worker_idle_timeout starts again. */
extern void pgnet_lifetime_note_work(Lifetime *lifetime, TimestampTz now);

/* Before a rest: set over, or due. */
extern void pgnet_lifetime_step(Lifetime *lifetime, TimestampTz now,
								LifetimeState state);

#endif							/* PGNET_LIFETIME_H */
