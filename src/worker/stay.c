/*
 * stay.c -- how long a worker stays.
 *
 * Runs in: workers.
 *
 * It leaves when it has been idle for pg_net.worker_idle_timeout, unless
 * pg_net.database_name names its database; when somebody keeps workers out of
 * the database; and when it had its turn and others wait for its place.  Then
 * it finishes what is in flight, since that would be sent twice otherwise.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "settings.h"
#include "shared/launcher_state.h"
#include "worker/stay.h"

static TimestampTz end_of(const Stay *stay, StayState state);

/* Begin. */
void
pgnet_stay_init(Stay *stay, WorkerState *worker, TimestampTz now)
{
	*stay = (Stay) {.worker = worker, .idle_since = now, .due = DT_NOEND};
}

/* See what is ordered. */
void
pgnet_stay_obey(Stay *stay)
{
	DatabaseState *database = pgnet_worker_database(stay->worker);
	DatabaseSnapshot now = pgnet_database_snapshot(database);

	stay->finishing = now.workers_blocked || now.worker.yield_requested;
	if (now.workers_blocked)
		stay->over = true;
}

/* Begin to be idle anew. */
void
pgnet_stay_note_work(Stay *stay, TimestampTz now)
{
	stay->idle_since = now;
}

/* Is it over? */
void
pgnet_stay_rest(Stay *stay, TimestampTz now, StayState state)
{
	bool		idle = state == PGNET_STAY_IDLE || state == PGNET_STAY_USELESS;

	if (idle != stay->idle)
	{
		stay->idle = idle;
		pgnet_worker_set_idle(stay->worker, idle);
		if (idle && pgnet_launcher_is_short())
			pgnet_launcher_wake();
	}
	stay->due = idle ? end_of(stay, state) : DT_NOEND;
	if (now >= stay->due || (stay->finishing && state != PGNET_STAY_WORKING))
		stay->over = true;
}

/* When does it end, if nothing comes? */
static TimestampTz
end_of(const Stay *stay, StayState state)
{
	DatabaseState *database = pgnet_worker_database(stay->worker);

	if (pgnet_setting_worker_idle_timeout < 0 ||
		pgnet_database_snapshot(database).keep_alive)
		return DT_NOEND;
	if (state == PGNET_STAY_USELESS)
		return stay->idle_since;
	return TimestampTzPlusMilliseconds(stay->idle_since,
									   pgnet_setting_worker_idle_timeout);
}
