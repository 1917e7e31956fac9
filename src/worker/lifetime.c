/*
 * lifetime.c -- when a worker exits.
 *
 * Runs in: workers.
 *
 * It exits when it has been idle for pg_net.worker_idle_timeout, unless
 * pg_net.database_name names its database; when somebody blocks the workers of
 * the database; and when another database needs its process.
 *
 * In the last case it sends nothing new, and exits when everything in flight is
 * recorded: what was sent and not recorded would be sent again.  If a request
 * takes longer than the worker's patience, it refuses to yield and goes on as
 * usual, so that one slow request does not hold up all others of its database.
 * The launcher then asks other workers, and this one again when the requests of
 * that time have finished.  Slow requests may overlap, so the patience doubles
 * each time.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "settings.h"
#include "shared/launcher_state.h"
#include "worker/lifetime.h"

/*
 * The worker's patience: at first a little more than the default timeout of
 * requests, 5 s, and at most what new requests of its database can wait.
 */
#define FIRST_PATIENCE_MS 6000
#define LAST_PATIENCE_MS 30000

/* The least interval of messages about one database. */
#define SAY_AGAIN_MS 600000

static void say_refused(const Lifetime *lifetime, TimestampTz now);
static TimestampTz patience_ends(const Lifetime *lifetime);
static TimestampTz end_of(const Lifetime *lifetime, LifetimeState state);

void
pgnet_lifetime_init(Lifetime *lifetime, WorkerState *worker, TimestampTz now)
{
	*lifetime = (Lifetime) {
		.worker = worker,
		.idle_since = now,
		.due = DT_NOEND,
		.patience_ms = FIRST_PATIENCE_MS,
		.progress_at = now
	};
}

void
pgnet_lifetime_obey(Lifetime *lifetime)
{
	DatabaseState *database = pgnet_worker_database(lifetime->worker);
	DatabaseSnapshot ordered = pgnet_database_snapshot(database);

	lifetime->over = lifetime->over || ordered.workers_blocked;
	lifetime->finishing = lifetime->over || ordered.worker.yield_requested;
	if (!lifetime->finishing && !lifetime->refused &&
		!pgnet_launcher_is_short())
		lifetime->patience_ms = FIRST_PATIENCE_MS;
}

void
pgnet_lifetime_note_progress(Lifetime *lifetime, TimestampTz now)
{
	lifetime->progress_at = now;
	if (lifetime->refused)
		pgnet_worker_set_yield_refused(lifetime->worker, false);
	lifetime->refused = false;
}

void
pgnet_lifetime_refuse(Lifetime *lifetime, TimestampTz now)
{
	if (!lifetime->finishing || lifetime->over || now < patience_ends(lifetime))
		return;
	say_refused(lifetime, now);
	lifetime->refused = true;
	lifetime->finishing = false;
	lifetime->patience_ms = Min(lifetime->patience_ms * 2, LAST_PATIENCE_MS);
	pgnet_worker_set_yield_refused(lifetime->worker, true);
}

/* Rarely, as this worker or the next one of the database is asked again. */
static void
say_refused(const Lifetime *lifetime, TimestampTz now)
{
	DatabaseState *database = pgnet_worker_database(lifetime->worker);

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
pgnet_lifetime_note_work(Lifetime *lifetime, TimestampTz now)
{
	lifetime->idle_since = now;
}

void
pgnet_lifetime_step(Lifetime *lifetime, TimestampTz now, LifetimeState state)
{
	bool		idle = state == PGNET_LIFETIME_IDLE ||
		state == PGNET_LIFETIME_NO_EXTENSION;

	if (idle != lifetime->idle)
	{
		lifetime->idle = idle;
		pgnet_worker_set_idle(lifetime->worker, idle);
		if (idle && pgnet_launcher_is_short())
			pgnet_launcher_wake();
	}
	lifetime->due = idle ? end_of(lifetime, state) : DT_NOEND;
	if (now >= lifetime->due ||
		(lifetime->finishing && state != PGNET_LIFETIME_WORKING))
		lifetime->over = true;
	else if (lifetime->finishing)
		lifetime->due = patience_ends(lifetime);
}

/* Until when requests in flight may take before the worker refuses. */
static TimestampTz
patience_ends(const Lifetime *lifetime)
{
	return TimestampTzPlusMilliseconds(lifetime->progress_at,
									   lifetime->patience_ms);
}

/* When an idle worker exits. */
static TimestampTz
end_of(const Lifetime *lifetime, LifetimeState state)
{
	DatabaseState *database = pgnet_worker_database(lifetime->worker);

	if (pgnet_setting_worker_idle_timeout < 0 ||
		pgnet_database_snapshot(database).keep_alive)
		return DT_NOEND;
	if (state == PGNET_LIFETIME_NO_EXTENSION)
		return lifetime->idle_since;
	return TimestampTzPlusMilliseconds(lifetime->idle_since,
									   pgnet_setting_worker_idle_timeout);
}
