/*
 * activity.c -- what the statistics views show of the worker.
 *
 * Runs in: workers.
 *
 * PostgreSQL reports the statistics of transactions once a second at most
 * (pgstat.c).  Before the worker sleeps it has to report what is left, or
 * autovacuum would not know of it.
 */
#include "postgres.h"

#include "pgstat.h"
#include "utils/timestamp.h"

#include "worker/activity.h"

#define REPORT_MS 1000

void
pgnet_activity_init(Activity *activity)
{
	*activity = (Activity) {.due = DT_NOEND};
	pgstat_report_appname("pg_net");
	pgstat_report_activity(STATE_IDLE, NULL);
}

void
pgnet_activity_show(Activity *activity, bool active)
{
	if (active == activity->active)
		return;
	activity->active = active;
	if (active)
		pgstat_report_activity(STATE_RUNNING, "sending requests");
	else
		pgstat_report_activity(STATE_IDLE, NULL);
}

void
pgnet_activity_note_written(Activity *activity, TimestampTz now)
{
	if (activity->due == DT_NOEND)
		activity->due = TimestampTzPlusMilliseconds(now, REPORT_MS);
}

void
pgnet_activity_flush(Activity *activity, TimestampTz now, bool at_once)
{
	if (activity->due == DT_NOEND || (!at_once && now < activity->due))
		return;
	pgstat_report_stat(true);
	activity->due = DT_NOEND;
}
