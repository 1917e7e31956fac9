/*
 * lifetime.h -- how long a worker stays.
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
	bool		over;			/* leave */
	bool		idle;
	TimestampTz idle_since;
	TimestampTz due;			/* when it may be over; DT_NOEND: never */

	bool		refused;		/* to yield */
	int			patience_ms;	/* how long what is in flight may last */
	TimestampTz progress_at;	/* all in flight was sent after that, or then */
} Lifetime;

/* What a worker that is about to sleep waits for. */
typedef enum LifetimeState
{
	PGNET_LIFETIME_WORKING,		/* what is in flight, or not recorded yet */
	PGNET_LIFETIME_WAITING,		/* until more can be sent or removed */
	PGNET_LIFETIME_IDLE,		/* for something new */
	PGNET_LIFETIME_NO_EXTENSION /* for the extension to be created */
} LifetimeState;

extern void pgnet_lifetime_init(Lifetime *lifetime, WorkerState *worker,
								TimestampTz now);

/* Each cycle: see what is ordered. */
extern void pgnet_lifetime_obey(Lifetime *lifetime);

/* All that was in flight when this was last called is recorded. */
extern void pgnet_lifetime_note_progress(Lifetime *lifetime, TimestampTz now);

/* Each cycle: refuse to yield if what is in flight lasts too long. */
extern void pgnet_lifetime_refuse(Lifetime *lifetime, TimestampTz now);

/* Something was done: being idle begins anew. */
extern void pgnet_lifetime_note_work(Lifetime *lifetime, TimestampTz now);

/* Before it sleeps: is it over? */
extern void pgnet_lifetime_step(Lifetime *lifetime, TimestampTz now,
								LifetimeState state);

#endif							/* PGNET_LIFETIME_H */
