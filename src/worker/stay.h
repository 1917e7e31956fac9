/*
 * stay.h -- how long a worker stays.
 *
 * Runs in: workers.
 */
#ifndef PGNET_STAY_H
#define PGNET_STAY_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "shared/worker_state.h"

typedef struct Stay
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
} Stay;

/* What a worker that is about to sleep waits for. */
typedef enum StayState
{
	PGNET_STAY_WORKING,			/* what is in flight, or not recorded yet */
	PGNET_STAY_WAITING,			/* until more can be sent or removed */
	PGNET_STAY_IDLE,			/* for something new */
	PGNET_STAY_USELESS			/* for the extension to be created */
} StayState;

extern void pgnet_stay_init(Stay *stay, WorkerState *worker, TimestampTz now);

/* Each cycle: see what is ordered. */
extern void pgnet_stay_obey(Stay *stay);

/* All that was in flight when this was last called is recorded. */
extern void pgnet_stay_note_progress(Stay *stay, TimestampTz now);

/* Each cycle: refuse to yield if what is in flight lasts too long. */
extern void pgnet_stay_refuse(Stay *stay, TimestampTz now);

/* Something was done: being idle begins anew. */
extern void pgnet_stay_note_work(Stay *stay, TimestampTz now);

/* Before it sleeps: is it over? */
extern void pgnet_stay_rest(Stay *stay, TimestampTz now, StayState state);

#endif							/* PGNET_STAY_H */
