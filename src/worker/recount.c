/*
 * recount.c -- counting what is queued, for the quotas of roles.
 *
 * Runs in: workers.
 *
 * The counters of quota.h start at zero with the server, miss what a worker had
 * recorded before it died, and do not follow rows that somebody inserted,
 * changed or removed by hand.  So a worker counts when it starts, and when rows
 * were changed.
 */
#include "postgres.h"

#include "access/transam.h"
#include "utils/timestamp.h"

#include "clock.h"
#include "shared/prepared.h"
#include "shared/quota.h"
#include "tables/policy/quota_count.h"
#include "worker/counting.h"
#include "worker/recount.h"

/*
 * The least pause between two counts; also in units of how long the last took,
 * as a long queue takes long and rows may be changed often.
 */
#define LEAST_PAUSE_MS 100
#define PAUSE_FACTOR 50

/* How often it is repeated because transactions aborted while it counted. */
#define MAX_REPEATS 10

static void count(void *arg);

TimestampTz
pgnet_recount_due(const Recount *recount, const TableGuard *guard)
{
	if (!recount->wanted || !OidIsValid(guard->queue))
		return DT_NOEND;
	return pgnet_backoff_after(&recount->backoff, recount->not_before);
}

void
pgnet_recount_run(Recount *recount, TableGuard *guard)
{
	TimestampTz start = pgnet_clock_now();
	uint32		aborts = pgnet_quota_aborts();
	TimestampTz end;

	if (pgnet_table_guard_try(guard, &recount->backoff, "count queued requests",
							  count, NULL))
	{
		recount->wanted = pgnet_quota_aborts() != aborts &&
			++recount->repeats <= MAX_REPEATS;
		if (!recount->wanted)
			recount->repeats = 0;
	}
	end = pgnet_clock_now();
	recount->not_before = Max(end + PAUSE_FACTOR * (end - start),
							  TimestampTzPlusMilliseconds(end, LEAST_PAUSE_MS));
}

/* TableWork of pgnet_recount_run(). */
static void
count(void *arg)
{
	int			nroles;
	QueueCount	found;
	Waiting    *waiting = pgnet_waiting_count(&nroles, &found);
	Oid		   *roles = palloc(sizeof(Oid) * Max(nroles, 1));
	TransactionId horizon = pgnet_prepared_horizon();

	(void) arg;
	for (int i = 0; i < nroles; i++)
	{
		roles[i] = waiting[i].role;
		pgnet_quota_set(roles[i], waiting[i].rows, waiting[i].bytes);
	}
	pgnet_quota_keep_only(roles, nroles);
	pgnet_counting_set_rows(&found);
	if (TransactionIdIsValid(horizon) && !pgnet_waiting_is_prepared(horizon))
		pgnet_prepared_all_known();
}
