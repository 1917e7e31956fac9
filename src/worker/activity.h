/*
 * activity.h -- what the statistics views show of the worker.
 *
 * Runs in: workers.
 */
#ifndef PGNET_ACTIVITY_H
#define PGNET_ACTIVITY_H

#include "postgres.h"

#include "datatype/timestamp.h"

typedef struct Activity
{
	bool		active;			/* as pg_stat_activity says */
	TimestampTz due;			/* DT_NOEND: nothing was written */
} Activity;

extern void pgnet_activity_init(Activity *activity);

/* Show whether requests are in flight. */
extern void pgnet_activity_show(Activity *activity, bool active);

/* Something was written to the tables. */
extern void pgnet_activity_note_written(Activity *activity,
										TimestampTz now);

/* Report what was written, now or when it is due. */
extern void pgnet_activity_flush(Activity *activity, TimestampTz now,
								 bool at_once);

#endif							/* PGNET_ACTIVITY_H */
