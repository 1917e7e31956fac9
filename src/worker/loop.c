/*
 * loop.c -- the main loop of a worker.
 *
 * Runs in: workers.
 *
 * Rows are read from the queue and wait in lanes until the limits let them go;
 * the engine sends them, and the recorder stores the responses.  In each cycle
 * every step does what it can without waiting, and the last one rests until
 * something can be done again.  No transaction is open while it rests.
 *
 * Memory: requests have contexts of their own.  Everything else is in the cycle
 * context, which is reset at the start of each cycle.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "postmaster/interrupt.h"
#include "storage/sinval.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "clock.h"
#include "settings.h"
#include "shared/inbox.h"
#include "shared/inflight_global.h"
#include "shared/quota.h"
#include "shared/registry.h"
#include "shared/stats.h"
#include "tables/catalog.h"
#include "tables/transaction.h"
#include "worker/counting.h"
#include "worker/engine_settings.h"
#include "worker/loop.h"
#include "worker/server_log.h"

/* After SIGTERM, how long requests in flight may still finish. */
#define LEAVE_GRACE_MS 500

/*
 * After that, how long outcomes are recorded in the normal mode.  A stop of the
 * server waits for this; requests that are not recorded would be sent again.
 */
#define LEAVE_RECORD_MS 5000

/*
 * How many lanes may have rows loaded in a turn: in one turn many requests end,
 * and connections to hosts whose lanes have none ready would be given up.
 */
#define LOADS_IN_A_TURN 8

/* The longest rest: the wall clock may be set, and expiry depends on it. */
#define LONGEST_REST_MS (3600L * 1000)

/* How much later expired responses are removed while the network is busy. */
#define EXPIRY_PATIENCE_MS 1000

/* What recorded jobs of a role give back of its quota. */
typedef struct QuotaGiven
{
	Oid			role;
	uint64		rows;
	int64		bytes;
} QuotaGiven;

static void loop_init(Loop *loop, WorkerState *worker);
static void begin_cycle(Loop *loop);
static void apply_settings(Loop *loop);
static void unload(Loop *loop);
static void take_wakeup(Loop *loop);
static void read_queue(Loop *loop);
static void send_requests(Loop *loop);
static bool sends_more(const Loop *loop);
static void collect_finished(Loop *loop);
static void record_outcomes(Loop *loop);
static void forget_recorded(Loop *loop);
static void give_quota(QuotaGiven *given, const Job *job);
static void do_duties(Loop *loop);
static void follow_tables(Loop *loop);
static void publish_stats(Loop *loop);
static void rest(Loop *loop);
static TimestampTz next_due(Loop *loop);
static long wait_ms(TimestampTz now, TimestampTz due);
static bool is_mark_passed(const Loop *loop);
static LifetimeState state_of(const Loop *loop);
static bool is_idle(LifetimeState state);
static void leave(Loop *loop);
static void record_the_rest(Loop *loop);

void
pgnet_loop_run(WorkerState *worker)
{
	Loop		loop;

	loop_init(&loop, worker);
	while (!ShutdownRequestPending && !loop.lifetime.over)
	{
		begin_cycle(&loop);
		take_wakeup(&loop);
		read_queue(&loop);
		send_requests(&loop);
		collect_finished(&loop);
		record_outcomes(&loop);
		do_duties(&loop);
		follow_tables(&loop);
		rest(&loop);
	}
	leave(&loop);
}

/* Make what the loop needs; the first read is of the whole queue. */
static void
loop_init(Loop *loop, WorkerState *worker)
{
	MemoryContext requests = AllocSetContextCreate(TopMemoryContext,
												   "pg_net requests",
												   ALLOCSET_SMALL_SIZES);
	DatabaseState *database = pgnet_worker_database(worker);

	*loop = (Loop) {.worker = worker};
	loop->guard.quiet = !pgnet_database_snapshot(database).keep_alive;
	loop->cycle = AllocSetContextCreate(TopMemoryContext, "pg_net cycle",
										ALLOCSET_DEFAULT_SIZES);
	pgnet_jobs_init(&loop->jobs, worker);
	loop->lanes = pgnet_lanes_create(TopMemoryContext, &loop->jobs);
	loop->engine = pgnet_engine_settings_create(&loop->jobs.account);
	pgnet_recorder_init(&loop->recorder);
	pgnet_counting_begin();
	/* its counters outlive the worker */
	(void) pgnet_registry_own();
	loop->order = pgnet_order_create(TopMemoryContext, loop->lanes);
	loop->quarantine = pgnet_quarantine_create(TopMemoryContext, &loop->jobs,
											   loop->lanes);
	loop->intake = (Intake) {
		.worker = worker,
		.lanes = loop->lanes,
		.order = loop->order,
		.recorder = &loop->recorder,
		.quarantine = loop->quarantine,
		.requests = requests
	};
	loop->throttle = (Throttle) {
		.jobs = &loop->jobs,
		.lanes = loop->lanes,
		.engine = loop->engine,
		.recorder = &loop->recorder,
		.quarantine = loop->quarantine
	};
	pgnet_due_rows_init(&loop->intake.due_rows);
	pgnet_intake_announce(&loop->intake, PGNET_LOOK_AT_ALL);
	loop->recount.wanted = true;
	loop->callbacks.wanted = true;

	pgnet_transaction_prepare_session();
	apply_settings(loop);
	pgnet_activity_init(&loop->activity);
	pgnet_lifetime_init(&loop->lifetime, worker, pgnet_clock_now());
	pgnet_worker_set_ready(worker);
}

/* Interrupts, settings, memory, time. */
static void
begin_cycle(Loop *loop)
{
	/* there is no statement to cancel: requests end by their timeout */
	QueryCancelPending = false;
	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
		apply_settings(loop);
		/* what waits is loaded again, and judged by the new settings */
		unload(loop);
	}
	/* otherwise the queue of invalidations could not be cut */
	if (catchupInterruptPending)
		ProcessCatchupInterrupt();
	MemoryContextReset(loop->cycle);
	MemoryContextSwitchTo(loop->cycle);
	loop->now = pgnet_clock_now();
	pgnet_lanes_set_now(loop->lanes, loop->now);
	pgnet_lifetime_obey(&loop->lifetime);
}

/* Pass settings that may have changed to the modules that keep copies. */
static void
apply_settings(Loop *loop)
{
	pgnet_engine_settings_apply(loop->engine, loop->lanes);
	pgnet_expiry_look_now(&loop->expiry);
	pgnet_storage_forget(&loop->storage);
}

/* What is not sent yet has to be loaded again: its row may have changed. */
static void
unload(Loop *loop)
{
	pgnet_quarantine_put_back(loop->quarantine);
	pgnet_lanes_unload(loop->lanes);
}

/* Take from the inbox what was committed since the last cycle. */
static void
take_wakeup(Loop *loop)
{
	int64		id = pgnet_inbox_take_new(loop->worker);

	if (pgnet_inbox_take_changed(loop->worker))
	{
		unload(loop);
		pgnet_intake_changed(&loop->intake);
		pgnet_order_check(loop->order);
		loop->intake.limits_changed = true;
		pgnet_catalog_forget_policies();
		loop->recount.wanted = true;
	}
	if (id == PGNET_NOTHING_NEW)
		return;
	pgnet_intake_announce(&loop->intake, id);
	if (id == PGNET_LOOK_AT_ALL)
	{
		pgnet_expiry_look_now(&loop->expiry);
		loop->callbacks.wanted = true;
		/* somebody may have inserted rows by hand */
		loop->recount.wanted = true;
	}
}

/* Read new rows, and load those that are known by their ids only. */
static void
read_queue(Loop *loop)
{
	if (loop->lifetime.finishing)
		return;
	if (pgnet_intake_read_due(&loop->intake, loop->now, loop->busy) <=
		loop->now)
		pgnet_intake_read(&loop->intake, &loop->guard, loop->now);
	if (!loop->guard.changed &&
		pgnet_intake_limits_due(&loop->intake) <= loop->now)
		pgnet_intake_read_limits(&loop->intake, &loop->guard);
	if (!loop->guard.changed &&
		pgnet_intake_ordered_due(&loop->intake) <= loop->now)
		pgnet_intake_read_ordered(&loop->intake, &loop->guard);
	if (!loop->guard.changed &&
		pgnet_intake_scheduled_due(&loop->intake, loop->now, loop->busy) <=
			loop->now)
		pgnet_intake_read_scheduled(&loop->intake, &loop->guard, loop->now);
	for (int i = 0; i < LOADS_IN_A_TURN && !loop->guard.changed &&
		 pgnet_intake_load_due(&loop->intake) <= loop->now;
		 i++)
		pgnet_intake_load(&loop->intake, &loop->guard, loop->now);
}

/* Start what the limits allow, and let the engine work on all transfers. */
static void
send_requests(Loop *loop)
{
	bool		sends = sends_more(loop);
	Job		   *job;

	pgnet_throttle_relax(&loop->throttle, loop->now);
	while (sends && (job = pgnet_lanes_next(loop->lanes, loop->now)) != NULL)
		if (!pgnet_quarantine_take(loop->quarantine, job))
		{
			pgnet_job_move(&loop->jobs, job, PGNET_JOB_IN_FLIGHT);
			pgnet_engine_start(loop->engine, job);
		}
	pgnet_quarantine_send(loop->quarantine, &loop->guard, loop->engine,
						  loop->now);
	loop->busy = pgnet_engine_drive(loop->engine);
}

/* May more be sent now? */
static bool
sends_more(const Loop *loop)
{
	return pgnet_setting_enabled && !loop->lifetime.finishing &&
		!pgnet_quarantine_holds_up(loop->quarantine, loop->now);
}

/* Take finished requests from the engine. */
static void
collect_finished(Loop *loop)
{
	dlist_head	finished;

	/* first: those that finished had the descriptors that others lacked */
	pgnet_throttle_collect(&loop->throttle, loop->guard.queue, loop->now);

	dlist_init(&finished);
	if (pgnet_engine_take_finished(loop->engine, &finished) == 0)
		return;
	while (!dlist_is_empty(&finished))
	{
		Job		   *job = pgnet_job_pop(&finished);

		pgnet_quarantine_finished(loop->quarantine, job);
		if (pgnet_lanes_finished(loop->lanes, job))
			pgnet_callbacks_note_pause(loop->worker);
		pgnet_storage_judge(&loop->storage, job);
		pgnet_recorder_add(&loop->recorder, job, loop->now);
		pgnet_server_log_attempt(job);
	}
	/* with nothing left in flight the engine has nothing to do */
	if (loop->jobs.count[PGNET_JOB_IN_FLIGHT] == 0)
		loop->busy = false;
}

static void
record_outcomes(Loop *loop)
{
	if (pgnet_recorder_due(&loop->recorder, loop->busy) > loop->now)
		return;
	pgnet_recorder_flush(&loop->recorder, &loop->guard, loop->now);
	forget_recorded(loop);
}

/* Free jobs that are recorded, and wake the backends that wait for them. */
static void
forget_recorded(Loop *loop)
{
	dlist_head *recorded = &loop->recorder.recorded;
	QuotaGiven	given = {.role = InvalidOid};

	if (dlist_is_empty(recorded))
		return;
	while (!dlist_is_empty(recorded))
	{
		Job		   *job = pgnet_job_pop(recorded);
		/* the ids of a dropped table may mean other rows by now */
		bool		known = job->table == loop->guard.queue;

		give_quota(&given, job);
		pgnet_storage_note(&loop->storage, job);
		pgnet_given_up_note(&loop->given_up, job);
		if (job->delivery.next_due != 0)
			pgnet_intake_note_due(&loop->intake, job->delivery.next_due);
		if (known)
			pgnet_order_end(loop->order, job);
		pgnet_callbacks_note_recorded(loop->worker, job);
		pgnet_lanes_end(loop->lanes, job, known);
	}
	pgnet_quota_give(given.role, given.rows, given.bytes);
	pgnet_database_broadcast(pgnet_worker_database(loop->worker));
	pgnet_lifetime_note_work(&loop->lifetime, loop->now);
	pgnet_expiry_note_recorded(&loop->expiry);
	pgnet_activity_note_written(&loop->activity, loop->now);
}

/* Give back what a recorded job took; one that stays has a longer log now. */
static void
give_quota(QuotaGiven *given, const Job *job)
{
	/* most are of one role */
	if (job->role != given->role)
	{
		pgnet_quota_give(given->role, given->rows, given->bytes);
		*given = (QuotaGiven) {.role = job->role};
	}
	if (job->delivery.disposition == PGNET_AGAIN)
		given->bytes -= job->delivery.log_growth;
	else
	{
		given->rows++;
		given->bytes += (int64) job->queue_bytes;
	}
}

/* Work that is done while the network is idle, or when it is overdue. */
static void
do_duties(Loop *loop)
{
	int			patience_ms = loop->busy ? EXPIRY_PATIENCE_MS : 0;

	if (pgnet_expiry_due(&loop->expiry, loop->now, patience_ms) <= loop->now &&
		pgnet_expiry_run(&loop->expiry, &loop->guard))
		pgnet_activity_note_written(&loop->activity, loop->now);
	if (!loop->busy && !loop->guard.changed &&
		pgnet_recount_due(&loop->recount, &loop->guard) <= loop->now)
		pgnet_recount_run(&loop->recount, &loop->guard);
	if (!loop->busy && !loop->guard.changed &&
		pgnet_callbacks_look_due(&loop->callbacks, &loop->guard) <= loop->now)
		pgnet_callbacks_look(&loop->callbacks, loop->worker, &loop->guard);
	if (!loop->guard.changed &&
		pgnet_storage_due(&loop->storage, &loop->guard, loop->busy) <=
			loop->now)
		pgnet_storage_run(&loop->storage, &loop->guard);
	if (!loop->guard.changed &&
		pgnet_given_up_due(&loop->given_up, &loop->guard, loop->busy) <=
			loop->now)
		pgnet_given_up_run(&loop->given_up, &loop->guard);
	pgnet_server_log_sum_up(loop->now);
}

/* The extension was dropped or created again: forget everything. */
static void
follow_tables(Loop *loop)
{
	if (!loop->guard.changed)
		return;
	loop->guard.changed = false;
	pgnet_quarantine_clear(loop->quarantine);
	pgnet_lanes_clear(loop->lanes);
	loop->intake.refilling = false;
	pgnet_due_rows_init(&loop->intake.due_rows);
	pgnet_order_clear(loop->order);
	pgnet_recorder_clear(&loop->recorder);
	while (!dlist_is_empty(&loop->recorder.recorded))
		pgnet_lanes_end(loop->lanes, pgnet_job_pop(&loop->recorder.recorded),
						false);
	pgnet_storage_forget(&loop->storage);
	pgnet_given_up_forget(&loop->given_up);
	pgnet_counting_forget_rows();
	loop->recount.wanted = OidIsValid(loop->guard.queue);
	if (!loop->recount.wanted)
		pgnet_quota_keep_only(NULL, 0);
	if (OidIsValid(loop->guard.queue))
	{
		pgnet_intake_announce(&loop->intake, PGNET_LOOK_AT_ALL);
		pgnet_expiry_look_now(&loop->expiry);
	}
}

/* Let others see how it is going. */
static void
publish_stats(Loop *loop)
{
	WorkerStats *stats = pgnet_stats_mine();

	stats->in_flight = loop->jobs.count[PGNET_JOB_PREPARED] +
		loop->jobs.count[PGNET_JOB_IN_FLIGHT] +
		loop->jobs.count[PGNET_JOB_FINISHED];
	if (loop->intake.due_rows.next != DT_NOBEGIN)
		stats->next_due = loop->intake.due_rows.next;
	pgnet_lanes_publish(loop->lanes);
	strlcpy(stats->short_of, pgnet_throttle_short_of(&loop->throttle),
			sizeof(stats->short_of));
	pgnet_stats_publish();
}

/* Sleep until something is due, or decide that the worker exits. */
static void
rest(Loop *loop)
{
	bool		quiet = loop->jobs.count[PGNET_JOB_IN_FLIGHT] == 0;
	TimestampTz due;

	if (is_mark_passed(loop))
	{
		pgnet_engine_mark(loop->engine);
		pgnet_lifetime_note_progress(&loop->lifetime, loop->now);
	}
	pgnet_lifetime_refuse(&loop->lifetime, loop->now);
	pgnet_activity_show(&loop->activity, !quiet);
	publish_stats(loop);
	due = next_due(loop);
	/* after next_due(), which may reserve a place */
	pgnet_inflight_settle(loop->worker);
	if (loop->busy || due <= loop->now)
		return;

	pgnet_activity_flush(&loop->activity, loop->now, quiet);
	if (quiet)
	{
		pgnet_transaction_settle(loop->now);
		due = Min(due, pgnet_transaction_settle_due());
	}
	pgnet_lifetime_step(&loop->lifetime, loop->now, state_of(loop));
	if (loop->lifetime.over)
		return;
	due = Min(due, loop->activity.due);
	due = Min(due, loop->lifetime.due);
	pgnet_engine_wait(loop->engine, wait_ms(loop->now, due));
}

/* When a step has something to do if nothing else happens. */
static TimestampTz
next_due(Loop *loop)
{
	TimestampTz due = pgnet_recorder_due(&loop->recorder, false);

	due = Min(due, pgnet_expiry_due(&loop->expiry, loop->now, 0));
	due = Min(due, pgnet_recount_due(&loop->recount, &loop->guard));
	due = Min(due, pgnet_callbacks_look_due(&loop->callbacks, &loop->guard));
	due = Min(due, pgnet_storage_due(&loop->storage, &loop->guard, false));
	due = Min(due, pgnet_given_up_due(&loop->given_up, &loop->guard, false));
	due = Min(due, pgnet_quarantine_due(loop->quarantine, loop->now));
	due = Min(due, pgnet_throttle_due(&loop->throttle));
	due = Min(due, pgnet_server_log_due());
	if (!sends_more(loop))
		return due;
	if (pgnet_lanes_have_ready(loop->lanes))
		return DT_NOBEGIN;
	due = Min(due, pgnet_intake_read_due(&loop->intake, loop->now, false));
	due = Min(due, pgnet_lanes_held_due(loop->lanes));
	due = Min(due, pgnet_intake_limits_due(&loop->intake));
	due = Min(due, pgnet_intake_ordered_due(&loop->intake));
	due = Min(due, pgnet_intake_scheduled_due(&loop->intake, loop->now, false));
	return Min(due, pgnet_intake_load_due(&loop->intake));
}

/* For pgnet_engine_wait(): in milliseconds; -1: no limit. */
static long
wait_ms(TimestampTz now, TimestampTz due)
{
	if (due == DT_NOEND)
		return -1;
	return Min(TimestampDifferenceMilliseconds(now, due), LONGEST_REST_MS);
}

/*
 * Is everything recorded that was in flight when pgnet_engine_mark() was last
 * called?
 */
static bool
is_mark_passed(const Loop *loop)
{
	return pgnet_engine_mark_passed(loop->engine) &&
		loop->recorder.locked.count == 0 &&
		loop->recorder.backoff.pause_ms == 0;
}

/* What the worker waits for. */
static LifetimeState
state_of(const Loop *loop)
{
	if (loop->jobs.count[PGNET_JOB_IN_FLIGHT] > 0 ||
		loop->recorder.nfinished > 0 || loop->recorder.locked.count > 0)
		return PGNET_LIFETIME_WORKING;
	if (loop->intake.more || loop->intake.rescan ||
		pgnet_lanes_known(loop->lanes) > 0 ||
		pgnet_lanes_overflow(loop->lanes) ||
		loop->intake.due_rows.next <= GetCurrentTimestamp() ||
		pgnet_expiry_is_pending(&loop->expiry))
		return PGNET_LIFETIME_WAITING;
	return OidIsValid(loop->guard.queue) ? PGNET_LIFETIME_IDLE :
										   PGNET_LIFETIME_NO_EXTENSION;
}

static bool
is_idle(LifetimeState state)
{
	return state == PGNET_LIFETIME_IDLE || state == PGNET_LIFETIME_NO_EXTENSION;
}

/*
 * Before the exit: send nothing new, let requests that may have reached their
 * servers finish for LEAVE_GRACE_MS, and record them.  The others stay in the
 * queue for the next worker.
 */
static void
leave(Loop *loop)
{
	TimestampTz until = TimestampTzPlusMilliseconds(pgnet_clock_now(),
													LEAVE_GRACE_MS);
	long		left_ms = LEAVE_GRACE_MS;

	pgnet_engine_close(loop->engine);
	while (pgnet_engine_sent(loop->engine) > 0 && left_ms > 0)
	{
		begin_cycle(loop);
		loop->busy = pgnet_engine_drive(loop->engine);
		collect_finished(loop);
		record_outcomes(loop);
		left_ms = TimestampDifferenceMilliseconds(loop->now, until);
		if (!loop->busy && left_ms > 0)
			pgnet_engine_wait(loop->engine, left_ms);
	}
	record_the_rest(loop);
	pgnet_server_log_sum_up(DT_NOEND);
	pgnet_activity_flush(&loop->activity, loop->now, true);
	pgnet_quarantine_leave(loop->quarantine, &loop->guard);
	/* after SIGTERM, of net.worker_restart() say, another one is to start */
	if (!ShutdownRequestPending && is_idle(state_of(loop)))
		pgnet_worker_set_clean_idle_exit(loop->worker,
										 Min(loop->expiry.due,
											 loop->intake.due_rows.next));
	pgnet_worker_set_clean_exit(pgnet_worker_database(loop->worker));
}

/* Record batches until none is left, or the tables cannot be used. */
static void
record_the_rest(Loop *loop)
{
	TimestampTz until = TimestampTzPlusMilliseconds(pgnet_clock_now(),
													LEAVE_RECORD_MS);

	do
	{
		begin_cycle(loop);
		if (loop->now >= until)
			pgnet_recorder_hurry(&loop->recorder);
		pgnet_recorder_flush(&loop->recorder, &loop->guard, loop->now);
		forget_recorded(loop);
	} while (loop->recorder.nfinished > 0 &&
			 loop->recorder.backoff.pause_ms == 0);
}
