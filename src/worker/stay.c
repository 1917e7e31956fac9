/*
 * stay.c -- how long a worker stays.
 *
 * Runs in: workers.
 *
 * It leaves when it has been idle for pg_net.worker_idle_timeout, unless
 * pg_net.database_name names its database; when somebody keeps workers out of
 * the database; and when another database needs its process.
 *
 * In the last case it sends nothing new, and leaves when all in flight is
 * recorded: what was sent and not recorded would be sent again.  When something
 * in flight lasts longer than the worker's patience it refuses, and goes on as
 * usual, so that one slow request does not hold up all others of its database.
 * The launcher asks other workers, and this one again when what was in flight
 * is over.  Slow requests may overlap, so its patience doubles each time.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "settings.h"
#include "shared/launcher_state.h"
#include "worker/stay.h"

/*
 * The worker's patience: at first a little more than the default timeout of
 * requests, 5 s, and at most what new requests of its database can wait.
 */
#define FIRST_PATIENCE_MS 6000
#define LAST_PATIENCE_MS 30000

/* Of one database, the log says so this often at most. */
#define SAY_AGAIN_MS 600000

static void say_refused(const Stay *stay, TimestampTz now);
static TimestampTz patience_ends(const Stay *stay);
static TimestampTz end_of(const Stay *stay, StayState state);

void
pgnet_stay_init(Stay *stay, WorkerState *worker, TimestampTz now)
{
	*stay = (Stay) {
		.worker = worker,
		.idle_since = now,
		.due = DT_NOEND,
		.patience_ms = FIRST_PATIENCE_MS,
		.progress_at = now
	};
}

void
pgnet_stay_obey(Stay *stay)
{
	DatabaseState *database = pgnet_worker_database(stay->worker);
	DatabaseSnapshot ordered = pgnet_database_snapshot(database);

	stay->over = stay->over || ordered.workers_blocked;
	stay->finishing = stay->over || ordered.worker.yield_requested;
	if (!stay->finishing && !stay->refused && !pgnet_launcher_is_short())
		stay->patience_ms = FIRST_PATIENCE_MS;
}

void
pgnet_stay_note_progress(Stay *stay, TimestampTz now)
{
	stay->progress_at = now;
	if (stay->refused)
		pgnet_worker_set_yield_refused(stay->worker, false);
	stay->refused = false;
}

void
pgnet_stay_refuse(Stay *stay, TimestampTz now)
{
	if (!stay->finishing || stay->over || now < patience_ends(stay))
		return;
	say_refused(stay, now);
	stay->refused = true;
	stay->finishing = false;
	stay->patience_ms = Min(stay->patience_ms * 2, LAST_PATIENCE_MS);
	pgnet_worker_set_yield_refused(stay->worker, true);
}

/* Not again and again, as this worker or the next one is asked. */
static void
say_refused(const Stay *stay, TimestampTz now)
{
	DatabaseState *database = pgnet_worker_database(stay->worker);

	if (database->said_refused != DT_NOBEGIN &&
		now < TimestampTzPlusMilliseconds(database->said_refused, SAY_AGAIN_MS))
		return;
	database->said_refused = now;
	ereport(LOG,
			errmsg("pg_net worker keeps its process: requests in flight are taking long"),
			errdetail("Another database is waiting for a background worker, and \"max_worker_processes\" (%d) is used up.",
					  max_worker_processes));
}

void
pgnet_stay_note_work(Stay *stay, TimestampTz now)
{
	stay->idle_since = now;
}

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
	else if (stay->finishing)
		stay->due = patience_ends(stay);
}

/* Until when may what is in flight last? */
static TimestampTz
patience_ends(const Stay *stay)
{
	return TimestampTzPlusMilliseconds(stay->progress_at, stay->patience_ms);
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
