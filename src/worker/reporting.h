/*
 * reporting.h -- what the statistics views show of the worker.
 *
 * Runs in: workers.
 */
#ifndef PGNET_REPORTING_H
#define PGNET_REPORTING_H

#include "postgres.h"

#include "datatype/timestamp.h"

typedef struct Reporting
{
	bool		active;			/* as pg_stat_activity says */
	TimestampTz due;			/* DT_NOEND: nothing was written */
} Reporting;

extern void pgnet_reporting_init(Reporting *reporting);

/* Show whether requests are in flight. */
extern void pgnet_reporting_activity(Reporting *reporting, bool active);

/* Something was written to the tables. */
extern void pgnet_reporting_note_written(Reporting *reporting,
										 TimestampTz now);

/* Report what was written, now or when it is due. */
extern void pgnet_reporting_flush(Reporting *reporting, TimestampTz now,
								  bool at_once);

#endif							/* PGNET_REPORTING_H */
