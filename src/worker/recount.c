/*
 * recount.c -- counting anew what waits, for the quotas of roles.
 *
 * Runs in: workers.
 *
 * A worker that starts does not know what the one before it had recorded, and
 * rows that somebody changed or removed by hand did not say whose they were.
 * It is no matter when: until then a quota is a little off.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "shared/quota.h"
#include "tables/waiting.h"
#include "worker/recount.h"

/* A long queue takes a while to count. */
#define PAUSE_MS 5000

static void count(void *arg);

/* Count, now or in a later cycle. */
void
pgnet_recount_run(Recount *recount, TableAccess *access, TimestampTz now)
{
	if (!recount->wanted || now < recount->not_before ||
		!pgnet_backoff_over(&recount->backoff, now))
		return;
	recount->not_before = TimestampTzPlusMilliseconds(now, PAUSE_MS);
	if (pgnet_access_try(access, &recount->backoff, "count what waits", count,
						 NULL))
		recount->wanted = false;
}

/* TableWork of pgnet_recount_run(). */
static void
count(void *arg)
{
	int			nroles;
	Waiting    *waiting = pgnet_waiting_count(&nroles);

	(void) arg;
	pgnet_quota_clear();
	for (int i = 0; i < nroles; i++)
		pgnet_quota_set(waiting[i].role, waiting[i].rows, waiting[i].bytes);
}
