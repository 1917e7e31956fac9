/*
 * old_loop.c -- serving a database that still has the catalog of pg_net 0.20.
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "postmaster/interrupt.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "backoff.h"
#include "clock.h"
#include "http/engine.h"
#include "settings.h"
#include "shared/inbox.h"
#include "shared/inflight_global.h"
#include "tables/old_catalog.h"
#include "tables/transaction.h"
#include "worker/activity.h"
#include "worker/engine_settings.h"
#include "worker/lanes.h"
#include "worker/lifetime.h"
#include "worker/old_loop.h"
#include "worker/server_log.h"

/* How many rows are read at a time, and known at most. */
#define READ_ROWS 500
#define MAX_KNOWN 2000

/* 0.14 tells nobody of new rows, nor do inserts by hand. */
#define LOOK_MS 1000

#define EXPIRE_MS 60000

/* What was in flight when the worker is to leave may take so long. */
#define LEAVE_MS 1000

/* How often it tries to store their responses then, and the pause between. */
#define LEAVE_TRIES 10
#define LEAVE_PAUSE_US 100000

typedef struct OldLoop
{
	WorkerState *worker;
	MemoryContext cycle;
	MemoryContext requests;
	char	   *search_path;	/* of triggers of users */
	Jobs		jobs;
	Lanes	   *lanes;
	HttpEngine *engine;
	Lifetime	lifetime;
	Activity	activity;
	TimestampTz now;
	TimestampTz look_at;		/* when to read from the first row on */
	TimestampTz expire_at;
	Backoff		backoff;
	bool		more;			/* there are rows to read */
	int64		read_id;		/* up to this one */
	dlist_head	finished;		/* to be recorded */
	bool		is_old;
	bool		busy;

	dlist_head	rows;			/* that were read */
	int			nrows;
} OldLoop;

/* What is done in a transaction, with the tables locked. */
typedef void (*OldWork) (OldLoop *loop);

static bool is_served(void);
static void begin(OldLoop *loop, WorkerState *worker, char *search_path);
static void begin_cycle(OldLoop *loop);
static void take_news(OldLoop *loop);
static void read_rows(OldLoop *loop);
static void read_more(OldLoop *loop);
static void take_row(OldLoop *loop, Job *job);
static void send_requests(OldLoop *loop);
static void collect(OldLoop *loop);
static void record(OldLoop *loop);
static void store(OldLoop *loop);
static void expire(OldLoop *loop);
static void remove_expired(OldLoop *loop);
static bool run(OldLoop *loop, const char *what, OldWork work);
static void rest(OldLoop *loop);
static void leave(OldLoop *loop);

bool
pgnet_old_loop_run(WorkerState *worker)
{
	/* as the worker of 0.20 had it; ours gets another one */
	char	   *search_path =
		MemoryContextStrdup(TopMemoryContext,
							GetConfigOption("search_path", false, false));
	OldLoop		loop;

	pgnet_transaction_prepare_session();
	if (!is_served())
		return false;
	begin(&loop, worker, search_path);
	while (loop.is_old && !ShutdownRequestPending && !loop.lifetime.over)
	{
		begin_cycle(&loop);
		take_news(&loop);
		read_rows(&loop);
		send_requests(&loop);
		collect(&loop);
		record(&loop);
		expire(&loop);
		rest(&loop);
	}
	leave(&loop);
	return true;
}

/* Is the catalog the old one?  If so, say what there is to do. */
static bool
is_served(void)
{
	char	   *version;

	pgnet_transaction_begin();
	version = pgnet_old_catalog_version();
	if (version != NULL)
		ereport(WARNING,
				errmsg("pg_net is %s in database \"%s\", and %s on the server",
					   version, get_database_name(MyDatabaseId),
					   PGNET_VERSION),
				errdetail("Requests of that database are sent as before; nothing that is new works there."),
				pgnet_old_catalog_has_update() ?
					errhint("Run ALTER EXTENSION pg_net UPDATE in that database.") :
					errhint("Update it to 0.20.4 first, with the files of 0.20.4."));
	pgnet_transaction_commit();
	return version != NULL;
}

static void
begin(OldLoop *loop, WorkerState *worker, char *search_path)
{
	*loop = (OldLoop) {
		.worker = worker,
		.search_path = search_path,
		.is_old = true,
		.look_at = DT_NOBEGIN,
		.expire_at = DT_NOBEGIN
	};
	dlist_init(&loop->finished);
	loop->cycle = AllocSetContextCreate(TopMemoryContext, "pg_net cycle",
										ALLOCSET_DEFAULT_SIZES);
	loop->requests = AllocSetContextCreate(TopMemoryContext, "pg_net requests",
										   ALLOCSET_SMALL_SIZES);
	pgnet_jobs_init(&loop->jobs, worker);
	loop->lanes = pgnet_lanes_create(TopMemoryContext, &loop->jobs);
	loop->engine = pgnet_engine_settings_create(&loop->jobs.account);
	pgnet_engine_settings_apply(loop->engine, loop->lanes);
	pgnet_activity_init(&loop->activity);
	pgnet_lifetime_init(&loop->lifetime, worker, pgnet_clock_now());
	pgnet_worker_set_ready(worker);
}

static void
begin_cycle(OldLoop *loop)
{
	QueryCancelPending = false;
	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
		pgnet_engine_settings_apply(loop->engine, loop->lanes);
	}
	MemoryContextReset(loop->cycle);
	MemoryContextSwitchTo(loop->cycle);
	loop->now = pgnet_clock_now();
	pgnet_lanes_set_now(loop->lanes, loop->now);
	pgnet_lifetime_obey(&loop->lifetime);
}

/* net.wake() was called, or some time has gone by: look at all rows. */
static void
take_news(OldLoop *loop)
{
	int64		id = pgnet_inbox_take_new(loop->worker);

	(void) pgnet_inbox_take_changed(loop->worker);
	if (id == PGNET_NOTHING_NEW && loop->now < loop->look_at)
		return;
	loop->look_at = TimestampTzPlusMilliseconds(loop->now, LOOK_MS);
	loop->read_id = PG_INT64_MIN;
	loop->more = true;
}

static void
read_rows(OldLoop *loop)
{
	if (!loop->more || loop->lifetime.finishing ||
		pgnet_lanes_known(loop->lanes) >= MAX_KNOWN ||
		!pgnet_backoff_over(&loop->backoff, loop->now))
		return;
	dlist_init(&loop->rows);
	if (!run(loop, "read the queue", read_more))
	{
		pgnet_jobs_free(&loop->rows);
		return;
	}
	loop->more = loop->nrows == READ_ROWS;
	while (!dlist_is_empty(&loop->rows))
		take_row(loop, pgnet_job_pop(&loop->rows));
}

/* OldWork */
static void
read_more(OldLoop *loop)
{
	loop->nrows = pgnet_old_queue_read(loop->read_id, READ_ROWS, loop->requests,
									   &loop->rows, &loop->read_id);
}

/* Two rows may have the same id: the second one comes after the first. */
static void
take_row(OldLoop *loop, Job *job)
{
	if (pgnet_lanes_know(loop->lanes, job->id))
	{
		pgnet_job_free(job);
		return;
	}
	pgnet_lanes_remember(loop->lanes, job);
	if (pgnet_job_is_pending(job))
		pgnet_lanes_add(loop->lanes, job);
	else
	{
		(void) pgnet_lanes_finished(loop->lanes, job);
		dlist_push_tail(&loop->finished, &job->node);
	}
}

static void
send_requests(OldLoop *loop)
{
	Job		   *job;

	while (pgnet_setting_enabled && !loop->lifetime.finishing &&
		   (job = pgnet_lanes_next(loop->lanes, loop->now)) != NULL)
	{
		pgnet_job_move(&loop->jobs, job, PGNET_JOB_IN_FLIGHT);
		pgnet_engine_start(loop->engine, job);
	}
	loop->busy = pgnet_engine_drive(loop->engine);
}

/* Take what is finished; what was not sent for a shortage waits again. */
static void
collect(OldLoop *loop)
{
	dlist_head	list;

	dlist_init(&list);
	if (pgnet_engine_take_unsent(loop->engine, &list))
	{
		pgnet_lanes_restrict(loop->lanes);
		while (!dlist_is_empty(&list))
		{
			Job		   *job = pgnet_job_pop(&list);

			job->outcome = (HttpOutcome) {0};
			pgnet_lanes_put_back(loop->lanes, job);
		}
	}
	(void) pgnet_engine_take_finished(loop->engine, &list);
	while (!dlist_is_empty(&list))
	{
		Job		   *job = pgnet_job_pop(&list);

		(void) pgnet_lanes_finished(loop->lanes, job);
		pgnet_server_log_attempt(job);
		dlist_push_tail(&loop->finished, &job->node);
	}
}

static void
record(OldLoop *loop)
{
	if (dlist_is_empty(&loop->finished) ||
		!pgnet_backoff_over(&loop->backoff, loop->now) ||
		!run(loop, "store responses", store))
		return;
	while (!dlist_is_empty(&loop->finished))
		pgnet_lanes_end(loop->lanes, pgnet_job_pop(&loop->finished), true);
	(void) pgnet_lanes_relax(loop->lanes);
	pgnet_database_broadcast(pgnet_worker_database(loop->worker));
	pgnet_lifetime_note_work(&loop->lifetime, loop->now);
	pgnet_activity_note_written(&loop->activity, loop->now);
}

/* OldWork */
static void
store(OldLoop *loop)
{
	dlist_iter	iter;

	dlist_foreach(iter, &loop->finished)
	{
		pgnet_old_response_store(dlist_container(Job, node, iter.cur));
	}
}

static void
expire(OldLoop *loop)
{
	if (loop->now < loop->expire_at ||
		!pgnet_backoff_over(&loop->backoff, loop->now))
		return;
	if (run(loop, "remove expired responses", remove_expired))
		loop->expire_at = TimestampTzPlusMilliseconds(loop->now, EXPIRE_MS);
}

/* OldWork */
static void
remove_expired(OldLoop *loop)
{
	(void) loop;
	pgnet_old_responses_expire(pgnet_setting_ttl());
}

/*
 * Work in a transaction, unless somebody holds the tables locked.  After an
 * update only what is finished is stored.
 */
static bool
run(OldLoop *loop, const char *what, OldWork work)
{
	volatile bool done = false;

	PG_TRY();
	{
		pgnet_transaction_begin();
		loop->is_old = pgnet_old_catalog_version() != NULL;
		if ((loop->is_old || work == store) &&
			pgnet_old_catalog_lock(loop->search_path))
		{
			work(loop);
			done = true;
		}
		pgnet_transaction_commit();
		if (done)
			pgnet_backoff_succeeded(&loop->backoff);
		else
			pgnet_backoff_failed(&loop->backoff);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(loop->cycle);
		error = CopyErrorData();
		FlushErrorState();
		pgnet_transaction_abort();
		done = false;
		if (loop->backoff.pause_ms == 0)
			ereport(WARNING,
					errcode(error->sqlerrcode),
					errmsg("pg_net could not %s: %s", what, error->message),
					errdetail("The worker retries until it succeeds."));
		pgnet_backoff_failed(&loop->backoff);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(loop->cycle);
	return done;
}

static void
rest(OldLoop *loop)
{
	bool		quiet = loop->jobs.count[PGNET_JOB_IN_FLIGHT] == 0;
	TimestampTz due = loop->look_at;
	long		ms;

	pgnet_activity_show(&loop->activity, !quiet);
	pgnet_inflight_settle(loop->worker);
	if (loop->busy ||
		(pgnet_setting_enabled && pgnet_lanes_have_ready(loop->lanes)))
		return;
	if (!dlist_is_empty(&loop->finished) || loop->more)
		due = Min(due, pgnet_backoff_after(&loop->backoff, DT_NOBEGIN));
	pgnet_activity_flush(&loop->activity, loop->now, quiet);
	/* it stays, idle or not: 0.20 has a worker at all times */
	pgnet_lifetime_step(&loop->lifetime, loop->now,
						quiet ? PGNET_LIFETIME_WAITING :
								PGNET_LIFETIME_WORKING);
	if (loop->lifetime.over || due <= loop->now)
		return;
	ms = Min(LOOK_MS, (long) ((due - loop->now) / 1000 + 1));
	pgnet_engine_wait(loop->engine, ms);
}

/* Let what may have arrived finish for a moment, and record it. */
static void
leave(OldLoop *loop)
{
	TimestampTz until = TimestampTzPlusMilliseconds(pgnet_clock_now(),
													LEAVE_MS);

	pgnet_engine_close(loop->engine);
	while (pgnet_engine_sent(loop->engine) > 0 && pgnet_clock_now() < until)
	{
		begin_cycle(loop);
		loop->busy = pgnet_engine_drive(loop->engine);
		collect(loop);
		if (!loop->busy)
			pgnet_engine_wait(loop->engine, 50);
	}
	begin_cycle(loop);
	collect(loop);
	/* an update that is being committed holds the tables locked */
	for (int i = 0; i < LEAVE_TRIES && !dlist_is_empty(&loop->finished); i++)
	{
		if (i > 0)
			pg_usleep(LEAVE_PAUSE_US);
		begin_cycle(loop);
		pgnet_backoff_succeeded(&loop->backoff);
		record(loop);
	}
	pgnet_worker_set_clean_exit(pgnet_worker_database(loop->worker));
}
