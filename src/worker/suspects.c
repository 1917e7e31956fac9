/*
 * suspects.c -- requests that may have killed the worker.
 *
 * Runs in: workers.
 *
 * A fault in a library may end the process while a request is in flight, and
 * its row, still in the queue, would end the next one.  Nobody knows which
 * request it was, so all that waited are suspect, and are written down before
 * they are sent.  Each death leaves fewer:
 *
 *   no death       sent like any other, once it is written down
 *   one death      sent in small groups of such
 *   two deaths     sent one at a time
 *   three deaths   given up
 *
 * Whoever is given up was in flight at three deaths, the last time alone.
 * What came since the first death may be the cause of another.  So it waits
 * for those with deaths, but not for long; when it goes on while they are in
 * flight, that is written down, and a death does not count for them.  Next time
 * it waits longer.  Turns are kept in blame.c.
 */
#include "postgres.h"

#include "lib/ilist.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "tables/recovery/installation.h"
#include "tables/recovery/suspect_rows.h"
#include "worker/blame.h"
#include "worker/suspects.h"
#include "worker/witness.h"

/* So many ids are removed from the table even if nothing is written there. */
#define MANY_CLEARED 1000

/*
 * How long others wait for requests with deaths, at first and after so many
 * deaths at which they did not wait long enough.
 */
#define FIRST_PATIENCE_MS 1000
#define MAX_DOUBLINGS 6

#define GIVEN_UP \
	"given up after the worker died %d times while this request was in flight"

struct Suspects
{
	Jobs	   *jobs;
	Lanes	   *lanes;
	Blame	   *blame;			/* the suspects with deaths */

	bool		known;			/* the inquest was held */
	bool		died;			/* the worker before us, says shared memory */
	Oid			table;			/* whose requests these are */
	int64		last_waiting;	/* suspect up to this id */

	dlist_head	taken;			/* requests to write down and send */
	int			ntaken;
	dlist_head	blamed;			/* the same, those with deaths */
	int			in_flight;		/* and written down */

	/* of these, those with deaths: others wait for them for a while */
	int			blamed_taken;
	int			blamed_in_flight;
	bool		sends_blamed;	/* with what is written down now */
	bool		alone;			/* with nobody else in flight */
	TimestampTz patience_ends;	/* DT_NOBEGIN: nobody waits */

	int64	   *cleared;		/* ids to remove from the table */
	int			ncleared;
	int			max_cleared;
	Backoff		backoff;
	bool		said_failed;	/* in the log */
};

static void send_blamed(Suspects *suspects, HttpEngine *engine,
						TimestampTz now);
static void send_list(Suspects *suspects, HttpEngine *engine, dlist_head *jobs);
static bool sends_blamed(const Suspects *suspects, TimestampTz now);
static void begin_patience(Suspects *suspects, TimestampTz now);
static int	count_others(const Suspects *suspects);
static bool waits_for_others(const Suspects *suspects, TimestampTz now);
static bool has_to_join(const Suspects *suspects, TimestampTz now);
static void let_others_join(Suspects *suspects, TableAccess *access);
static void join(void *nothing);
static void blamed_landed(Suspects *suspects);
static void inquire(void *suspects);
static bool is_blamed(const Suspects *suspects, const Job *job);
static bool is_suspect(const Suspects *suspects, const Job *job);
static void forget_gone(Suspects *suspects);
static void acquit(Suspects *suspects, int64 id);
static bool has_to_write(const Suspects *suspects, TimestampTz now);
static bool write_down(Suspects *suspects, TableAccess *access);
static void write_entry(void *suspects);
static int64 *ids_of(const dlist_head *jobs, int njobs, int *nids);
static void say_failed(Suspects *suspects, ErrorData *error);

/* Suspect nobody yet. */
Suspects *
pgnet_suspects_create(MemoryContext parent, Jobs *jobs, Lanes *lanes)
{
	Suspects   *suspects;
	DatabaseState *database = pgnet_worker_database(jobs->worker);
	MemoryContext context = AllocSetContextCreate(parent, "pg_net suspects",
												  ALLOCSET_SMALL_SIZES);

	suspects = MemoryContextAllocZero(context, sizeof(Suspects));
	suspects->jobs = jobs;
	suspects->lanes = lanes;
	suspects->blame = pgnet_blame_create(context, lanes);
	suspects->died = pgnet_database_snapshot(database).worker.dirty;
	suspects->max_cleared = MANY_CLEARED;
	suspects->cleared = MemoryContextAlloc(context,
										   sizeof(int64) * MANY_CLEARED);
	dlist_init(&suspects->taken);
	dlist_init(&suspects->blamed);
	pgnet_suspects_clear(suspects);
	return suspects;
}

/* Forget everybody; those not sent yet are not sent any more. */
void
pgnet_suspects_clear(Suspects *suspects)
{
	while (!dlist_is_empty(&suspects->taken))
		pgnet_lanes_discard(suspects->lanes, pgnet_job_pop(&suspects->taken));
	while (!dlist_is_empty(&suspects->blamed))
		pgnet_lanes_discard(suspects->lanes, pgnet_job_pop(&suspects->blamed));
	suspects->ntaken = suspects->in_flight = suspects->ncleared = 0;
	suspects->blamed_taken = suspects->blamed_in_flight = 0;
	suspects->patience_ends = DT_NOBEGIN;
	pgnet_blame_clear(suspects->blame);
	suspects->known = false;
	suspects->table = InvalidOid;
	suspects->last_waiting = PG_INT64_MIN;
}

/* Leave alive: what is in flight is not to blame. */
void
pgnet_suspects_leave(Suspects *suspects)
{
	/* without an inquest the next worker has to hold it in our place */
	if (suspects->known)
		pgnet_worker_set_dirty(suspects->jobs->worker, false);
}

/* Hold the inquest, once. */
bool
pgnet_suspects_know(Suspects *suspects, TableAccess *access, Backoff *backoff)
{
	ErrorData  *error = NULL;

	if (suspects->known)
		return true;
	switch (pgnet_access_run(access, inquire, suspects, &error))
	{
		case PGNET_ACCESS_GONE:
			return false;
		case PGNET_ACCESS_BUSY:
			pgnet_backoff_failed(backoff);
			return false;
		case PGNET_ACCESS_FAILED:
			/* rather send unwatched than not at all */
			say_failed(suspects, error);
			pgnet_suspects_clear(suspects);
			break;
		case PGNET_ACCESS_DONE:
			break;
	}
	suspects->known = true;
	suspects->died = false;
	suspects->table = access->queue;
	pgnet_worker_set_dirty(suspects->jobs->worker, true);
	pgnet_witness_begin();
	return true;
}

/* Keep those with deaths for their turn. */
bool
pgnet_suspects_defer(Suspects *suspects, Job *job)
{
	int			deaths = pgnet_blame_deaths(suspects->blame, job->id);

	if (deaths == 0)
		return false;
	if (deaths < PGNET_BLAME_LAST_DEATH)
	{
		pgnet_blame_defer(suspects->blame, job);
		return true;
	}
	pgnet_job_fail(job, psprintf(GIVEN_UP, deaths));
	job->metrics.attempts = deaths +
		pgnet_blame_beside_of(suspects->blame, job->id);
	acquit(suspects, job->id);
	return false;
}

/* Keep a suspect back until it is written down. */
bool
pgnet_suspects_take(Suspects *suspects, Job *job)
{
	if (!is_suspect(suspects, job))
		return false;
	if (is_blamed(suspects, job))
	{
		dlist_push_tail(&suspects->blamed, &job->node);
		suspects->blamed_taken++;
	}
	else
	{
		dlist_push_tail(&suspects->taken, &job->node);
		suspects->ntaken++;
	}
	return true;
}

bool
pgnet_suspects_hold_up(const Suspects *suspects, TimestampTz now)
{
	return now < suspects->patience_ends &&
		(suspects->blamed_taken > 0 ||
		 (suspects->blamed_in_flight > 0 && suspects->alone));
}

/* Write down and send. */
void
pgnet_suspects_send(Suspects *suspects, TableAccess *access,
					HttpEngine *engine, TimestampTz now)
{
	forget_gone(suspects);
	pgnet_blame_admit(suspects->blame);
	if (suspects->blamed_taken > 0 && suspects->blamed_in_flight == 0 &&
		suspects->patience_ends == DT_NOBEGIN)
		begin_patience(suspects, now);
	if (has_to_join(suspects, now))
		let_others_join(suspects, access);
	if (!has_to_write(suspects, now) ||
		!pgnet_backoff_over(&suspects->backoff, now))
		return;
	suspects->sends_blamed = sends_blamed(suspects, now);
	if (suspects->sends_blamed)
		suspects->alone = count_others(suspects) == 0;
	if (!write_down(suspects, access))
		return;
	suspects->ncleared = 0;
	send_list(suspects, engine, &suspects->taken);
	suspects->ntaken = 0;
	if (suspects->sends_blamed)
		send_blamed(suspects, engine, now);
}

/* Those with deaths that are written down go. */
static void
send_blamed(Suspects *suspects, HttpEngine *engine, TimestampTz now)
{
	if (!suspects->alone)
		suspects->patience_ends = DT_NOBEGIN;
	else if (suspects->blamed_in_flight == 0 && suspects->blamed_taken > 0)
		begin_patience(suspects, now);
	send_list(suspects, engine, &suspects->blamed);
	suspects->blamed_in_flight += suspects->blamed_taken;
	suspects->blamed_taken = 0;
}

static void
send_list(Suspects *suspects, HttpEngine *engine, dlist_head *jobs)
{
	while (!dlist_is_empty(jobs))
	{
		Job		   *job = pgnet_job_pop(jobs);

		pgnet_job_move(suspects->jobs, job, PGNET_JOB_IN_FLIGHT);
		pgnet_engine_start(engine, job);
		suspects->in_flight++;
	}
}

/* Others wait from now on: the longer, the more often that was in vain. */
static void
begin_patience(Suspects *suspects, TimestampTz now)
{
	int			doublings = Min(pgnet_blame_beside(suspects->blame),
								MAX_DOUBLINGS);

	suspects->patience_ends =
		TimestampTzPlusMilliseconds(now, FIRST_PATIENCE_MS << doublings);
}

/* Requests in flight, or about to be, without any death. */
static int
count_others(const Suspects *suspects)
{
	return pgnet_jobs_in_flight(suspects->jobs) - suspects->blamed_taken -
		suspects->blamed_in_flight;
}

/* Do those with deaths wait for others to end, before they are sent? */
static bool
waits_for_others(const Suspects *suspects, TimestampTz now)
{
	return suspects->blamed_taken > 0 && now < suspects->patience_ends &&
		count_others(suspects) > 0;
}

/* Are there some to send now? */
static bool
sends_blamed(const Suspects *suspects, TimestampTz now)
{
	return suspects->blamed_taken > 0 && !waits_for_others(suspects, now);
}

/* Is it time for others to go on? */
static bool
has_to_join(const Suspects *suspects, TimestampTz now)
{
	return suspects->blamed_in_flight > 0 && suspects->alone &&
		now >= suspects->patience_ends;
}

/*
 * Write down that a death does not count any more.  If that fails, one might be
 * counted that should not: rather that than to have others wait on.
 */
static void
let_others_join(Suspects *suspects, TableAccess *access)
{
	ErrorData  *error = NULL;

	if (pgnet_access_run(access, join, NULL, &error) == PGNET_ACCESS_FAILED)
		say_failed(suspects, error);
	suspects->alone = false;
	suspects->patience_ends = DT_NOBEGIN;
}

/* TableWork of let_others_join(). */
static void
join(void *arg)
{
	(void) arg;
	pgnet_suspect_rows_join();
}

/* One with deaths is not in flight any more. */
static void
blamed_landed(Suspects *suspects)
{
	if (--suspects->blamed_in_flight == 0 && suspects->blamed_taken == 0)
		suspects->patience_ends = DT_NOBEGIN;
}

/* The worker lived through a request: it is innocent. */
void
pgnet_suspects_finished(Suspects *suspects, const Job *job)
{
	if (!is_suspect(suspects, job))
		return;
	suspects->in_flight--;
	if (is_blamed(suspects, job))
		blamed_landed(suspects);
	acquit(suspects, job->id);
}

/* It will be taken again. */
void
pgnet_suspects_not_sent(Suspects *suspects, const Job *job)
{
	if (!is_suspect(suspects, job))
		return;
	suspects->in_flight--;
	if (is_blamed(suspects, job))
		blamed_landed(suspects);
}

TimestampTz
pgnet_suspects_due(Suspects *suspects, TimestampTz now)
{
	TimestampTz due = DT_NOEND;

	forget_gone(suspects);
	if (pgnet_blame_can_admit(suspects->blame))
		return DT_NOBEGIN;
	if (waits_for_others(suspects, now) ||
		(suspects->blamed_in_flight > 0 && suspects->alone))
		due = suspects->patience_ends;
	if (has_to_write(suspects, now))
		due = Min(due, pgnet_backoff_after(&suspects->backoff, DT_NOBEGIN));
	return due;
}

/* TableWork: hold the inquest. */
static void
inquire(void *arg)
{
	Suspects   *suspects = arg;
	Inquest		inquest;

	/* first: the inquest takes away the mark of a crash */
	pgnet_installation_renew_ids(
		&pgnet_worker_database(suspects->jobs->worker)->ids_renewed);
	pgnet_installation_note_timeline();
	pgnet_suspect_rows_inquire(suspects->died, pgnet_witness_take(), &inquest);
	suspects->last_waiting = inquest.last_waiting;
	for (int i = 0; i < inquest.nrows; i++)
		pgnet_blame_add(suspects->blame, inquest.rows[i].id,
						inquest.rows[i].deaths, inquest.rows[i].beside);
	if (inquest.last_waiting != PG_INT64_MIN)
		ereport(LOG,
				errmsg("the pg_net worker died: requests queued before that are sent with care"),
				errdetail("Requests that were in flight when a worker died: %d.",
						  inquest.nrows));
}

/* Has a suspect deaths? */
static bool
is_blamed(const Suspects *suspects, const Job *job)
{
	return pgnet_blame_deaths(suspects->blame, job->id) > 0;
}

/* Has a request to be written down? */
static bool
is_suspect(const Suspects *suspects, const Job *job)
{
	return job->table == suspects->table &&
		(job->id <= suspects->last_waiting ||
		 is_blamed(suspects, job));
}

/* Those with deaths may be cancelled before they are sent. */
static void
forget_gone(Suspects *suspects)
{
	int64		id;

	while (pgnet_blame_take_gone(suspects->blame, &id))
		acquit(suspects, id);
}

/* A request is suspect no more: have it removed from the table. */
static void
acquit(Suspects *suspects, int64 id)
{
	pgnet_blame_forget(suspects->blame, id);
	if (suspects->ncleared == suspects->max_cleared)
	{
		suspects->max_cleared *= 2;
		suspects->cleared = repalloc(suspects->cleared,
									 sizeof(int64) * suspects->max_cleared);
	}
	suspects->cleared[suspects->ncleared++] = id;
}

/* Is there something to write, or much to remove, or time to? */
static bool
has_to_write(const Suspects *suspects, TimestampTz now)
{
	return suspects->ntaken > 0 || sends_blamed(suspects, now) ||
		suspects->ncleared >= MANY_CLEARED ||
		(suspects->ncleared > 0 && suspects->in_flight == 0);
}

/* Write down who is taken; false: those cannot be sent yet. */
static bool
write_down(Suspects *suspects, TableAccess *access)
{
	ErrorData  *error = NULL;

	switch (pgnet_access_run(access, write_entry, suspects, &error))
	{
		case PGNET_ACCESS_DONE:
			pgnet_backoff_succeeded(&suspects->backoff);
			return true;
		case PGNET_ACCESS_BUSY:
			pgnet_backoff_failed(&suspects->backoff);
			return false;
		case PGNET_ACCESS_GONE:
			/* pgnet_suspects_clear() follows */
			return false;
		case PGNET_ACCESS_FAILED:
			say_failed(suspects, error);
			return true;
	}
	return false;
}

/* TableWork: write down who is taken, remove who is cleared. */
static void
write_entry(void *arg)
{
	Suspects   *suspects = arg;
	int			nids;
	int64	   *ids = ids_of(&suspects->taken, suspects->ntaken, &nids);

	pgnet_suspect_rows_write(ids, nids, false, suspects->cleared,
							 suspects->ncleared);
	if (!suspects->sends_blamed)
		return;
	ids = ids_of(&suspects->blamed, suspects->blamed_taken, &nids);
	pgnet_suspect_rows_write(ids, nids, suspects->alone, NULL, 0);
}

/* The ids of a list of so many jobs. */
static int64 *
ids_of(const dlist_head *jobs, int njobs, int *nids)
{
	int64	   *ids = palloc(sizeof(int64) * Max(njobs, 1));
	dlist_iter	iter;

	*nids = 0;
	dlist_foreach(iter, unconstify(dlist_head *, jobs))
		ids[(*nids)++] = dlist_container(Job, node, iter.cur)->id;
	return ids;
}

/* Say once that suspects are sent without being written down. */
static void
say_failed(Suspects *suspects, ErrorData *error)
{
	if (!suspects->said_failed)
		ereport(WARNING,
				errcode(error->sqlerrcode),
				errmsg("pg_net could not update net._suspect: %s",
					   error->message),
				errdetail("Requests are still sent, but a request that kills the worker cannot be identified."),
				error->context ? errcontext("%s", error->context) : 0);
	suspects->said_failed = true;
	FreeErrorData(error);
}
