/*
 * intake.h -- reading rows of the queue into lanes.
 *
 * Runs in: workers.
 */
#ifndef PGNET_INTAKE_H
#define PGNET_INTAKE_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "worker/due_rows.h"
#include "worker/lanes.h"
#include "worker/order.h"
#include "worker/pace.h"
#include "worker/quarantine.h"
#include "worker/recorder.h"
#include "worker/table_guard.h"

typedef struct Intake
{
	WorkerState *worker;
	Lanes	   *lanes;			/* get what can be sent */
	Recorder   *recorder;		/* gets what cannot */
	Quarantine *quarantine;		/* says whose turn must wait */
	MemoryContext requests;		/* parent of the requests' contexts */
	int64		next_id;		/* where reading goes on */
	bool		more;			/* there may be rows from next_id on */
	int64		refill_id;		/* the same for lanes that have room again */
	bool		refilling;		/* they wait for that */
	bool		refilled;		/* the last read was for them */
	bool		looked_again;	/* for an extension that is missing */
	Order	   *order;			/* of requests with ordering keys */
	DueRows		due_rows;		/* of rows whose time has not come */
	bool		left_out;		/* rows that nobody waits for may wait */
	bool		rescan;			/* and were changed: look at all again */
	bool		rescanning;
	TimestampTz rescan_began;
	TimestampTz rescan_after;	/* not before */
	bool		given_up_left;	/* some could not be removed */
	Backoff		given_up_backoff;
	TimestampTz last_read;
	Backoff		backoff;		/* of reading */
	Backoff		load_backoff;
	Backoff		due_backoff;
	Backoff		order_backoff;
	bool		limits_changed; /* of endpoints, perhaps */
	Backoff		limits_backoff;
	Pace		pace;			/* of reading */
	Pace		load_pace;
	Pace		due_pace;
} Intake;

/* There are new rows with ids from id on. */
extern void pgnet_intake_announce(Intake *intake, int64 id);

/* Rows were changed, which may have been left out as they were before. */
extern void pgnet_intake_changed(Intake *intake);

/* A row stays in the queue, for then; DT_NOEND: for ever. */
extern void pgnet_intake_note_due(Intake *intake, TimestampTz due);

/*
 * When would reading, or loading, help?  DT_NOEND: not before something else
 * happens.  busy: the network has work.
 */
extern TimestampTz pgnet_intake_read_due(Intake *intake, TimestampTz now,
										 bool busy);
extern TimestampTz pgnet_intake_load_due(const Intake *intake);

/* Read the next rows; load rows whose ids wait and whose turn has come. */
extern void pgnet_intake_read(Intake *intake, TableGuard *guard,
							  TimestampTz now);
extern void pgnet_intake_load(Intake *intake, TableGuard *guard,
							  TimestampTz now);

/* The same for rows whose ordering keys are free. */
extern TimestampTz pgnet_intake_ordered_due(const Intake *intake);
extern void pgnet_intake_read_ordered(Intake *intake, TableGuard *guard);

/* The same for the limits of endpoints that lanes are of. */
extern TimestampTz pgnet_intake_limits_due(const Intake *intake);
extern void pgnet_intake_read_limits(Intake *intake, TableGuard *guard);

/* The same for rows that have become due. */
extern TimestampTz pgnet_intake_scheduled_due(const Intake *intake,
											  TimestampTz now, bool busy);
extern void pgnet_intake_read_scheduled(Intake *intake, TableGuard *guard,
										TimestampTz now);

#endif							/* PGNET_INTAKE_H */
