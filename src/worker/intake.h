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
	Quarantine *quarantine;		/* gets those with deaths first */
	MemoryContext requests;		/* parent of the requests' contexts */
	int64		next_id;		/* where to read on */
	bool		more;			/* there may be rows from next_id on */
	int64		refill_id;		/* where to read on in a refill */
	bool		refilling;		/* a refill is under way */
	bool		refilled;		/* the last read was for a refill */
	bool		looked_again;	/* after the extension was missing */
	Order	   *order;			/* of requests with ordering keys */
	DueRows		due_rows;		/* of rows whose time has not come */
	bool		left_out;		/* rows were left out since the last rescan */
	bool		rescan;			/* a rescan is wanted */
	bool		rescanning;		/* one is under way */
	TimestampTz rescan_began;	/* the last one */
	TimestampTz rescan_after;	/* when the next one may begin */
	bool		given_up_left;	/* given up rows could not be removed */
	Backoff		given_up_backoff;
	TimestampTz last_read;
	Backoff		backoff;		/* of reading */
	Backoff		load_backoff;
	Backoff		due_backoff;
	Backoff		order_backoff;
	bool		limits_changed; /* net.endpoint may have changed */
	Backoff		limits_backoff;
	Pace		pace;			/* of reading */
	Pace		load_pace;
	Pace		due_pace;
} Intake;

/* There are new rows, with ids from id on. */
extern void pgnet_intake_announce(Intake *intake, int64 id);

/* Rows were changed: those that were left out may have to be sent now. */
extern void pgnet_intake_changed(Intake *intake);

/* A row stays in the queue, and is due then; DT_NOEND: never. */
extern void pgnet_intake_note_due(Intake *intake, TimestampTz due);

/*
 * When to read, or load, next; DT_NOEND: not before something else happens.
 * busy: the network has work.
 */
extern TimestampTz pgnet_intake_read_due(Intake *intake, TimestampTz now,
										 bool busy);
extern TimestampTz pgnet_intake_load_due(const Intake *intake);

/*
 * Read the next rows; load those that lanes know by their ids only, and whose
 * turn has come.
 */
extern void pgnet_intake_read(Intake *intake, TableGuard *guard,
							  TimestampTz now);
extern void pgnet_intake_load(Intake *intake, TableGuard *guard,
							  TimestampTz now);

/* The same for the next rows of ordering keys that are free. */
extern TimestampTz pgnet_intake_ordered_due(const Intake *intake);
extern void pgnet_intake_read_ordered(Intake *intake, TableGuard *guard);

/* The same for the limits of endpoints that have a lane. */
extern TimestampTz pgnet_intake_limits_due(const Intake *intake);
extern void pgnet_intake_read_limits(Intake *intake, TableGuard *guard);

/* The same for rows that have become due. */
extern TimestampTz pgnet_intake_scheduled_due(const Intake *intake,
											  TimestampTz now, bool busy);
extern void pgnet_intake_read_scheduled(Intake *intake, TableGuard *guard,
										TimestampTz now);

#endif							/* PGNET_INTAKE_H */
