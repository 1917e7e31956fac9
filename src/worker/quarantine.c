/*
 * quarantine.c -- careful mode: sending what may have killed the worker.
 *
 * Runs in: workers.
 *
 * A fault in a library may crash the worker while requests are in flight.
 * Their rows are still in the queue, and one of them would crash the next
 * worker; it is not known which.  Each death that is charged leaves fewer
 * candidates:
 *
 *   no death       sent like any other, once it is written down
 *   one death      sent in small groups of such
 *   two deaths     sent one at a time
 *   three deaths   given up
 *
 * A request that is given up was in flight at three deaths, at the last of them
 * alone.
 *
 * A request that was queued after the first death can be the cause of another
 * one.  So while requests with deaths are in flight, those without wait, but
 * not for long.  Before they are sent nevertheless, that is written down, and a
 * death is then charged to none of those with deaths; after the next start,
 * those without wait longer.
 */
#include "postgres.h"

#include "lib/ilist.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "tables/recovery/crash_count.h"
#include "tables/recovery/installation.h"
#include "worker/alive_mark.h"
#include "worker/quarantine.h"

/* A request is given up when it has this many deaths. */
#define LAST_DEATH 3
#define GIVEN_UP \
	"given up after the worker died %d times while this request was in flight"

/*
 * How many requests are sent together, by the number of their deaths.  Some
 * 2000 may be in flight at the first death: those are 40 groups of 50, and a
 * death in one of these is followed by 50 requests that are sent alone.
 */
static const int group_sizes[LAST_DEATH] = {0, 50, 1};

#define MAX_GROUP 50

/*
 * How long requests without deaths wait for those with deaths: at first, and
 * doubled for each death in a row that was not charged, because they did not
 * wait long enough.
 */
#define FIRST_PATIENCE_MS 1000
#define MAX_DOUBLINGS 6

/* A request with deaths whose turn has not come. */
typedef struct Deferred
{
	dlist_node	node;
	int64		id;
	size_t		size;
} Deferred;

/* Jobs whose ids are written down before they are sent. */
typedef struct Group
{
	dlist_head	taken;			/* jobs that are prepared, to be sent */
	int			ntaken;
	int64	   *in_flight;		/* ids of those that were sent */
	int			nin_flight;
	int			max_in_flight;	/* for which there is memory */
} Group;

struct Quarantine
{
	MemoryContext context;
	Jobs	   *jobs;
	Lanes	   *lanes;

	bool		known;			/* whether the last worker died */
	bool		died;			/* it did, according to shared memory */
	int64		last_waiting;	/* up to this id, careful mode */
	int			uncharged;		/* deaths in a row that were not charged */
	bool		written;		/* the last Entry would charge or count one */
	bool		stale;			/* the last Entry is out of date */

	dlist_head	deferred[LAST_DEATH];	/* by number of deaths */
	int64		admitted[MAX_GROUP];	/* ids of those whose turn it is */
	int			nadmitted;
	int			admitted_deaths;	/* how many each of them has */

	Group		innocent;		/* without deaths */
	Group		charged;		/* with deaths */
	bool		alone;			/* the last Entry written said so */
	TimestampTz patience_ends;	/* see begin_patience(); DT_NOBEGIN: not */

	Backoff		backoff;
	bool		said_failed;	/* in the log */
};

/* What to write to net._installation: what a death is charged to. */
typedef struct Entry
{
	bool		alone;			/* no request without deaths is in flight */
	int64	   *ids;
	int			nids;
	int			uncharged;
} Entry;

static void find_out(void *quarantine);
static void write_entry(void *entry);
static bool write_down(Quarantine *quarantine, TableGuard *guard,
					   bool with_charged);
static Entry make_entry(const Quarantine *quarantine, bool with_charged);
static void add_group(Entry *entry, const Group *group, bool with_taken);
static void forget_gone(Quarantine *quarantine);
static void forget_admitted(Quarantine *quarantine, int64 id);
static int	deaths_to_admit(const Quarantine *quarantine);
static void admit(Quarantine *quarantine);
static Deferred *pop_deferred(Quarantine *quarantine, int deaths);
static void begin_patience(Quarantine *quarantine, TimestampTz now);
static int	count_others(const Quarantine *quarantine);
static bool waits_for_others(const Quarantine *quarantine, TimestampTz now);
static bool sends_charged(const Quarantine *quarantine, TimestampTz now);
static bool is_alone(const Quarantine *quarantine);
static bool has_to_write(const Quarantine *quarantine, TimestampTz now);
static void group_init(Group *group, MemoryContext context);
static void group_clear(Quarantine *quarantine, Group *group);
static void group_take(Group *group, Job *job);
static void group_put_back(Quarantine *quarantine, Group *group);
static void group_send(Quarantine *quarantine, Group *group,
					   HttpEngine *engine);
static void group_land(Group *group, int64 id);
static void say_failed(Quarantine *quarantine, ErrorData *error);

Quarantine *
pgnet_quarantine_create(MemoryContext parent, Jobs *jobs, Lanes *lanes)
{
	Quarantine *quarantine;
	DatabaseState *database = pgnet_worker_database(jobs->worker);
	MemoryContext context = AllocSetContextCreate(parent, "pg_net quarantine",
												  ALLOCSET_SMALL_SIZES);

	quarantine = MemoryContextAllocZero(context, sizeof(Quarantine));
	quarantine->context = context;
	quarantine->jobs = jobs;
	quarantine->lanes = lanes;
	quarantine->died = pgnet_database_snapshot(database).worker.dirty;
	for (int i = 0; i < LAST_DEATH; i++)
		dlist_init(&quarantine->deferred[i]);
	group_init(&quarantine->innocent, context);
	group_init(&quarantine->charged, context);
	pgnet_quarantine_clear(quarantine);
	return quarantine;
}

void
pgnet_quarantine_clear(Quarantine *quarantine)
{
	group_clear(quarantine, &quarantine->innocent);
	group_clear(quarantine, &quarantine->charged);
	for (int i = 0; i < LAST_DEATH; i++)
		while (!dlist_is_empty(&quarantine->deferred[i]))
			pfree(pop_deferred(quarantine, i));
	quarantine->nadmitted = 0;
	quarantine->patience_ends = DT_NOBEGIN;
	quarantine->known = quarantine->written = quarantine->stale = false;
	quarantine->uncharged = 0;
	quarantine->last_waiting = PG_INT64_MIN;
}

void
pgnet_quarantine_leave(Quarantine *quarantine, TableGuard *guard)
{
	/* otherwise the next worker has to find out what happened before us */
	if (!quarantine->known)
		return;
	group_clear(quarantine, &quarantine->innocent);
	group_clear(quarantine, &quarantine->charged);
	if (quarantine->written || quarantine->stale)
		(void) write_down(quarantine, guard, false);
	pgnet_worker_set_dirty(quarantine->jobs->worker, false);
}

bool
pgnet_quarantine_begin(Quarantine *quarantine, TableGuard *guard,
					   Backoff *backoff)
{
	ErrorData  *error = NULL;

	if (quarantine->known)
		return true;
	switch (pgnet_table_guard_run(guard, find_out, quarantine, &error))
	{
		case PGNET_GUARD_GONE:
			return false;
		case PGNET_GUARD_BUSY:
			pgnet_backoff_failed(backoff);
			return false;
		case PGNET_GUARD_FAILED:
			/* better to send without careful mode than not at all */
			say_failed(quarantine, error);
			pgnet_quarantine_clear(quarantine);
			break;
		case PGNET_GUARD_DONE:
			break;
	}
	quarantine->known = true;
	quarantine->died = false;
	pgnet_worker_set_dirty(quarantine->jobs->worker, true);
	pgnet_alive_mark_begin();
	return true;
}

/* TableWork of pgnet_quarantine_begin(). */
static void
find_out(void *arg)
{
	Quarantine *quarantine = arg;
	DatabaseState *database = pgnet_worker_database(quarantine->jobs->worker);
	CrashCount	count;

	/* first, since pgnet_crash_count_begin() removes the mark of a crash */
	pgnet_installation_renew_ids(&database->ids_renewed);
	pgnet_installation_note_timeline();
	pgnet_crash_count_begin(quarantine->died, pgnet_alive_mark_take(),
							&count);
	quarantine->last_waiting = count.last_waiting;
	quarantine->uncharged = count.uncharged;
	if (count.last_waiting != PG_INT64_MIN)
		ereport(LOG,
				errmsg("the pg_net worker died: requests queued before that are sent with care"),
				errdetail("Requests that this death is charged to: %d.",
						  count.ncharged));
}

bool
pgnet_quarantine_defer(Quarantine *quarantine, Job *job)
{
	Deferred   *deferred;

	if (job->deaths <= 0)
		return false;
	if (job->deaths >= LAST_DEATH)
	{
		pgnet_job_fail(job, psprintf(GIVEN_UP, job->deaths));
		/* it was sent, so its response has metrics */
		job->outcome.refused = false;
		job->metrics.attempts = job->deaths;
		return false;
	}
	deferred = MemoryContextAlloc(quarantine->context, sizeof(Deferred));
	deferred->id = job->id;
	deferred->size = job->size;
	dlist_push_tail(&quarantine->deferred[job->deaths], &deferred->node);
	pgnet_job_free(job);
	return true;
}

bool
pgnet_quarantine_take(Quarantine *quarantine, Job *job)
{
	if (job->deaths > 0)
		group_take(&quarantine->charged, job);
	else if (job->id <= quarantine->last_waiting)
		group_take(&quarantine->innocent, job);
	else
		return false;
	return true;
}

void
pgnet_quarantine_put_back(Quarantine *quarantine)
{
	group_put_back(quarantine, &quarantine->innocent);
	group_put_back(quarantine, &quarantine->charged);
}

bool
pgnet_quarantine_holds_up(const Quarantine *quarantine, TimestampTz now)
{
	return now < quarantine->patience_ends &&
		(quarantine->charged.ntaken > 0 || is_alone(quarantine));
}

void
pgnet_quarantine_send(Quarantine *quarantine, TableGuard *guard,
					  HttpEngine *engine, TimestampTz now)
{
	Group	   *charged = &quarantine->charged;
	bool		with_charged;

	forget_gone(quarantine);
	admit(quarantine);
	if (charged->ntaken > 0 && charged->nin_flight == 0 &&
		quarantine->patience_ends == DT_NOBEGIN)
		begin_patience(quarantine, now);
	if (!has_to_write(quarantine, now) ||
		!pgnet_backoff_over(&quarantine->backoff, now))
		return;
	with_charged = sends_charged(quarantine, now);
	if (!write_down(quarantine, guard, with_charged))
		return;
	group_send(quarantine, &quarantine->innocent, engine);
	if (with_charged && charged->nin_flight == 0)
		begin_patience(quarantine, now);
	if (with_charged)
		group_send(quarantine, charged, engine);
	if (charged->nin_flight > 0 && !quarantine->alone)
		quarantine->patience_ends = DT_NOBEGIN;
}

void
pgnet_quarantine_finished(Quarantine *quarantine, const Job *job)
{
	forget_admitted(quarantine, job->id);
	pgnet_quarantine_not_sent(quarantine, job);
}

void
pgnet_quarantine_not_sent(Quarantine *quarantine, const Job *job)
{
	group_land(&quarantine->innocent, job->id);
	group_land(&quarantine->charged, job->id);
	if (quarantine->charged.nin_flight == 0 && quarantine->charged.ntaken == 0)
		quarantine->patience_ends = DT_NOBEGIN;
}

TimestampTz
pgnet_quarantine_due(Quarantine *quarantine, TimestampTz now)
{
	TimestampTz due = DT_NOEND;

	forget_gone(quarantine);
	if (deaths_to_admit(quarantine) > 0)
		return DT_NOBEGIN;
	if (waits_for_others(quarantine, now) ||
		(is_alone(quarantine) && now < quarantine->patience_ends))
		due = quarantine->patience_ends;
	if (has_to_write(quarantine, now))
		due = Min(due, pgnet_backoff_after(&quarantine->backoff, DT_NOBEGIN));
	return due;
}

/* Forget admitted jobs that ended unsent: cancelled, removed or refused. */
static void
forget_gone(Quarantine *quarantine)
{
	for (int i = quarantine->nadmitted - 1; i >= 0; i--)
		if (!pgnet_lanes_know(quarantine->lanes, quarantine->admitted[i]))
			forget_admitted(quarantine, quarantine->admitted[i]);
}

/*
 * An admitted job ended.  When no other is admitted, requests without deaths do
 * not wait any more; when none is deferred either, their next wait is the
 * shortest again.
 */
static void
forget_admitted(Quarantine *quarantine, int64 id)
{
	bool		was_admitted = false;

	for (int i = quarantine->nadmitted - 1; i >= 0; i--)
		if (quarantine->admitted[i] == id)
		{
			quarantine->admitted[i] =
				quarantine->admitted[--quarantine->nadmitted];
			was_admitted = true;
		}
	if (!was_admitted || quarantine->nadmitted > 0)
		return;
	quarantine->patience_ends = DT_NOBEGIN;
	if (quarantine->uncharged == 0 || deaths_to_admit(quarantine) > 0)
		return;
	quarantine->uncharged = 0;
	quarantine->stale = true;
}

/*
 * The number of deaths of the request that is admitted next; those with fewer
 * go first.  0: none can be admitted now.
 */
static int
deaths_to_admit(const Quarantine *quarantine)
{
	for (int deaths = 1; deaths < LAST_DEATH; deaths++)
	{
		if (dlist_is_empty(unconstify(dlist_head *,
									  &quarantine->deferred[deaths])))
			continue;
		if (quarantine->nadmitted == 0 ||
			(quarantine->admitted_deaths == deaths &&
			 quarantine->nadmitted < group_sizes[deaths]))
			return deaths;
		break;
	}
	return 0;
}

/* Hand as many as may be sent together to their lanes. */
static void
admit(Quarantine *quarantine)
{
	int			deaths;

	while ((deaths = deaths_to_admit(quarantine)) > 0)
	{
		Deferred   *deferred = pop_deferred(quarantine, deaths);
		Job		   *job = pgnet_job_create(quarantine->context);

		/* to be loaded: the row may have changed meanwhile */
		job->id = deferred->id;
		job->size = deferred->size;
		pfree(deferred);
		quarantine->admitted_deaths = deaths;
		quarantine->admitted[quarantine->nadmitted++] = job->id;
		pgnet_lanes_add(quarantine->lanes, job);
	}
}

static Deferred *
pop_deferred(Quarantine *quarantine, int deaths)
{
	dlist_node *node = dlist_pop_head_node(&quarantine->deferred[deaths]);

	return dlist_container(Deferred, node, node);
}

/* Requests without deaths wait, from now until patience_ends. */
static void
begin_patience(Quarantine *quarantine, TimestampTz now)
{
	int			doublings = Min(quarantine->uncharged, MAX_DOUBLINGS);

	quarantine->patience_ends =
		TimestampTzPlusMilliseconds(now, FIRST_PATIENCE_MS << doublings);
}

/* How many requests without deaths are in flight or prepared. */
static int
count_others(const Quarantine *quarantine)
{
	return pgnet_jobs_in_flight(quarantine->jobs) -
		quarantine->charged.ntaken - quarantine->charged.nin_flight;
}

/* Do those with deaths wait until nothing else is in flight? */
static bool
waits_for_others(const Quarantine *quarantine, TimestampTz now)
{
	return quarantine->charged.ntaken > 0 &&
		now < quarantine->patience_ends && count_others(quarantine) > 0;
}

/* Are prepared requests with deaths to be sent now? */
static bool
sends_charged(const Quarantine *quarantine, TimestampTz now)
{
	return quarantine->charged.ntaken > 0 &&
		!waits_for_others(quarantine, now);
}

/* Are requests with deaths in flight, and nothing else, as it is written? */
static bool
is_alone(const Quarantine *quarantine)
{
	return quarantine->charged.nin_flight > 0 && quarantine->alone;
}

/* Is there something to send, or has what is written down changed? */
static bool
has_to_write(const Quarantine *quarantine, TimestampTz now)
{
	return quarantine->innocent.ntaken > 0 || sends_charged(quarantine, now) ||
		quarantine->stale ||
		(is_alone(quarantine) && count_others(quarantine) > 0) ||
		(quarantine->written && quarantine->innocent.nin_flight == 0 &&
		 quarantine->charged.nin_flight == 0);
}

/*
 * Commit to net._installation what a death would be charged to.  False: not
 * possible now, so the caller sends nothing.  Requests without deaths that do
 * not wait any more are not held up by this: until it succeeds, a death may be
 * charged that should not be.
 */
static bool
write_down(Quarantine *quarantine, TableGuard *guard, bool with_charged)
{
	Entry		entry = make_entry(quarantine, with_charged);
	ErrorData  *error = NULL;

	switch (pgnet_table_guard_run(guard, write_entry, &entry, &error))
	{
		case PGNET_GUARD_DONE:
			quarantine->written = entry.nids > 0 ||
				entry.uncharged != quarantine->uncharged;
			quarantine->stale = false;
			quarantine->alone = entry.alone;
			pgnet_backoff_succeeded(&quarantine->backoff);
			return true;
		case PGNET_GUARD_BUSY:
			pgnet_backoff_failed(&quarantine->backoff);
			return false;
		case PGNET_GUARD_GONE:
			/* pgnet_quarantine_clear() follows */
			return false;
		case PGNET_GUARD_FAILED:
			say_failed(quarantine, error);
			quarantine->written = quarantine->stale = false;
			quarantine->alone = entry.alone;
			return true;
	}
	return false;
}

/* TableWork of write_down(). */
static void
write_entry(void *arg)
{
	Entry	   *entry = arg;

	pgnet_crash_count_write(entry->ids, entry->nids, entry->uncharged);
}

/* What a death is charged to, once the jobs that were taken are sent. */
static Entry
make_entry(const Quarantine *quarantine, bool with_charged)
{
	const Group *innocent = &quarantine->innocent;
	const Group *charged = &quarantine->charged;
	Entry		entry = {
		.alone = count_others(quarantine) == 0,
		.uncharged = quarantine->uncharged
	};

	entry.ids = palloc(sizeof(int64) *
					   (innocent->ntaken + innocent->nin_flight +
						charged->ntaken + charged->nin_flight + 1));
	add_group(&entry, innocent, true);
	if (entry.alone)
		add_group(&entry, charged, with_charged);
	else if (charged->nin_flight > 0 || with_charged)
		entry.uncharged++;
	return entry;
}

static void
add_group(Entry *entry, const Group *group, bool with_taken)
{
	dlist_iter	iter;

	memcpy(entry->ids + entry->nids, group->in_flight,
		   sizeof(int64) * group->nin_flight);
	entry->nids += group->nin_flight;
	if (!with_taken)
		return;
	dlist_foreach(iter, unconstify(dlist_head *, &group->taken))
	{
		entry->ids[entry->nids++] = dlist_container(Job, node, iter.cur)->id;
	}
}

static void
group_init(Group *group, MemoryContext context)
{
	dlist_init(&group->taken);
	group->max_in_flight = MAX_GROUP;
	group->in_flight = MemoryContextAlloc(context, sizeof(int64) * MAX_GROUP);
}

/* Forget a group; jobs that were taken are discarded. */
static void
group_clear(Quarantine *quarantine, Group *group)
{
	while (!dlist_is_empty(&group->taken))
		pgnet_lanes_discard(quarantine->lanes, pgnet_job_pop(&group->taken));
	group->ntaken = group->nin_flight = 0;
}

static void
group_take(Group *group, Job *job)
{
	dlist_push_tail(&group->taken, &job->node);
	group->ntaken++;
}

/* The last one first: each is put before those that wait in its lane. */
static void
group_put_back(Quarantine *quarantine, Group *group)
{
	while (!dlist_is_empty(&group->taken))
	{
		Job		   *job = dlist_tail_element(Job, node, &group->taken);

		dlist_delete(&job->node);
		pgnet_lanes_put_back(quarantine->lanes, job);
	}
	group->ntaken = 0;
}

static void
group_send(Quarantine *quarantine, Group *group, HttpEngine *engine)
{
	int			most = group->nin_flight + group->ntaken;

	if (most > group->max_in_flight)
	{
		group->max_in_flight = 2 * most;
		group->in_flight = repalloc(group->in_flight,
									sizeof(int64) * group->max_in_flight);
	}
	while (!dlist_is_empty(&group->taken))
	{
		Job		   *job = pgnet_job_pop(&group->taken);

		group->in_flight[group->nin_flight++] = job->id;
		pgnet_job_move(quarantine->jobs, job, PGNET_JOB_IN_FLIGHT);
		pgnet_engine_start(engine, job);
	}
	group->ntaken = 0;
}

/* A request is not in flight any more; it may be of another group. */
static void
group_land(Group *group, int64 id)
{
	for (int i = 0; i < group->nin_flight; i++)
		if (group->in_flight[i] == id)
		{
			group->in_flight[i] = group->in_flight[--group->nin_flight];
			return;
		}
}

/* Log once that requests are sent without being written down. */
static void
say_failed(Quarantine *quarantine, ErrorData *error)
{
	if (!quarantine->said_failed)
		ereport(WARNING,
				errcode(error->sqlerrcode),
				errmsg("pg_net could not record which requests are in flight: %s",
					   error->message),
				errdetail("Requests are still sent, but a request that kills the worker cannot be identified."),
				error->context ? errcontext("%s", error->context) : 0);
	quarantine->said_failed = true;
	FreeErrorData(error);
}
