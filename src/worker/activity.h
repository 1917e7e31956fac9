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
	bool		active;			/* state in pg_stat_activity */
	TimestampTz due;			/* when to report; DT_NOEND: nothing to */
} Activity;

extern void pgnet_activity_init(Activity *activity);

/* Show in pg_stat_activity whether requests are in flight. */
extern void pgnet_activity_show(Activity *activity, bool active);

/* Rows were written: report the statistics within a second. */
extern void pgnet_activity_note_written(Activity *activity,
										TimestampTz now);

/* Report the statistics of tables, now or if they are due. */
extern void pgnet_activity_flush(Activity *activity, TimestampTz now,
								 bool at_once);

#endif							/* PGNET_ACTIVITY_H */
