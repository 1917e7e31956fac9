/*
 * reporting.c -- what the statistics views show of the worker.
 *
 * Runs in: workers.
 *
 * A transaction's counts are reported once a second at most (pgstat.c): who
 * falls asleep has to report what is left, or autovacuum would not see it.
 */
#include "postgres.h"

#include "pgstat.h"
#include "utils/timestamp.h"

#include "worker/reporting.h"

/* What was written is reported so much later at the latest. */
#define REPORT_MS 1000

void
pgnet_reporting_init(Reporting *reporting)
{
	*reporting = (Reporting) {.due = DT_NOEND};
	pgstat_report_appname("pg_net");
	pgstat_report_activity(STATE_IDLE, NULL);
}

void
pgnet_reporting_activity(Reporting *reporting, bool active)
{
	if (active == reporting->active)
		return;
	reporting->active = active;
	if (active)
		pgstat_report_activity(STATE_RUNNING, "sending requests");
	else
		pgstat_report_activity(STATE_IDLE, NULL);
}

void
pgnet_reporting_note_written(Reporting *reporting, TimestampTz now)
{
	if (reporting->due == DT_NOEND)
		reporting->due = TimestampTzPlusMilliseconds(now, REPORT_MS);
}

void
pgnet_reporting_flush(Reporting *reporting, TimestampTz now, bool at_once)
{
	if (reporting->due == DT_NOEND || (!at_once && now < reporting->due))
		return;
	pgstat_report_stat(true);
	reporting->due = DT_NOEND;
}
