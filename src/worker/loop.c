/*
 * loop.c -- what a worker does all day.
 *
 * Runs in: workers.
 *
 * Rows come in from the queue, wait in the backlog until limits let them go,
 * fly in the engine, land in the recorder and end as response rows.  A cycle
 * is one turn of that wheel: every step does what it can without waiting, and
 * the last one rests until something can be done again.  No transaction is
 * open while it rests.
 *
 * Memory: requests have contexts of their own.  The cycle context, reset at
 * every turn, has the rest.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "http/engine.h"
#include "settings.h"
#include "shared/slots.h"
#include "tables/transaction.h"
#include "worker/access.h"
#include "worker/backlog.h"
#include "worker/descriptors.h"
#include "worker/expiry.h"
#include "worker/intake.h"
#include "worker/loop.h"
#include "worker/recorder.h"

/* After SIGTERM, how long requests in flight may still finish. */
#define LEAVE_GRACE_MS 500

/* The longest rest: the wall clock, which expiry goes by, may be set. */
#define LONGEST_REST_MS (3600 * 1000)

/* Statistics that were held back are reported so much later at the latest. */
#define STATISTICS_MS 1000

typedef struct Loop
{
	WorkerSlot *slot;
	MemoryContext cycle;
	TimestampTz now;			/* of this cycle */

	TableAccess access;
	Intake		intake;
	Backlog    *backlog;
	HttpEngine *engine;
	Recorder	recorder;
	Expiry		expiry;

	bool		busy;			/* the last drive found something to do */
	bool		active;			/* as pg_stat_activity says */
	TimestampTz statistics_due; /* DT_NOEND: nothing to report */
} Loop;

static void loop_init(Loop *loop, WorkerSlot *slot);
static HttpEngine *create_engine(void);
static void begin_cycle(Loop *loop);
static void apply_settings(Loop *loop);
static void take_wakeup(Loop *loop);
static void read_queue(Loop *loop);
static void send_requests(Loop *loop);
static void collect_finished(Loop *loop);
static void record_outcomes(Loop *loop);
static void forget_recorded(Loop *loop);
static void expire_responses(Loop *loop);
static void follow_tables(Loop *loop);
static void rest(Loop *loop);
static bool has_table_work(const Loop *loop);
static void report_activity(Loop *loop);
static void report_statistics(Loop *loop, bool soon);
static void leave(Loop *loop);
static void discard(dlist_head *requests);

/* Turn the wheel until asked to leave. */
void
pgnet_loop_run(WorkerSlot *slot)
{
	Loop		loop;

	loop_init(&loop, slot);
	while (!ShutdownRequestPending)
	{
		begin_cycle(&loop);
		take_wakeup(&loop);
		read_queue(&loop);
		send_requests(&loop);
		collect_finished(&loop);
		record_outcomes(&loop);
		expire_responses(&loop);
		follow_tables(&loop);
		rest(&loop);
	}
	leave(&loop);
}

/* Make what the loop needs; the first read is of the whole queue. */
static void
loop_init(Loop *loop, WorkerSlot *slot)
{
	MemoryContext requests = AllocSetContextCreate(TopMemoryContext,
												   "pg_net requests",
												   ALLOCSET_SMALL_SIZES);

	*loop = (Loop) {.slot = slot, .statistics_due = DT_NOEND};
	loop->cycle = AllocSetContextCreate(TopMemoryContext, "pg_net cycle",
										ALLOCSET_DEFAULT_SIZES);
	loop->backlog = pgnet_backlog_create(TopMemoryContext);
	loop->engine = create_engine();
	pgnet_recorder_init(&loop->recorder);
	loop->intake = (Intake) {
		.backlog = loop->backlog,
		.recorder = &loop->recorder,
		.requests = requests
	};
	pgnet_intake_announce(&loop->intake, PGNET_LOOK_AT_ALL);

	pgnet_transaction_prepare_session();
	apply_settings(loop);
	pgstat_report_appname("pg_net");
	pgstat_report_activity(STATE_IDLE, NULL);
	pgnet_slot_set_ready(slot);
	pgnet_starts_succeed();
}

/* Make the engine, or end the process saying why not. */
static HttpEngine *
create_engine(void)
{
	const char *error = NULL;
	HttpEngine *engine;
	int			max_in_flight;

	max_in_flight = pgnet_descriptors_for(pgnet_setting_max_in_flight);
	engine = pgnet_engine_create(TopMemoryContext, max_in_flight,
								 pgnet_setting_max_in_flight_per_host, &error);
	if (engine == NULL)
		ereport(FATAL,
				errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
				errmsg("pg_net worker could not start: %s", error));
	return engine;
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
	}
	MemoryContextReset(loop->cycle);
	MemoryContextSwitchTo(loop->cycle);
	loop->now = GetCurrentTimestamp();
}

/* Hand settings that may have changed to those they concern. */
static void
apply_settings(Loop *loop)
{
	BacklogLimits limits = {
		.in_flight = pgnet_descriptors_for(pgnet_setting_max_in_flight),
		.in_flight_per_host = pgnet_setting_max_in_flight_per_host,
	};

	pgnet_engine_set_ca_file(loop->engine, pgnet_setting_ca_file);
	pgnet_backlog_set_limits(loop->backlog, limits);
	pgnet_expiry_look_now(&loop->expiry);
}

/* See what was committed since the last look. */
static void
take_wakeup(Loop *loop)
{
	int64		id = pgnet_slot_take_new(loop->slot);

	if (pgnet_slot_take_changed(loop->slot))
		pgnet_backlog_unload(loop->backlog);
	if (id == PGNET_NOTHING_NEW)
		return;
	pgnet_intake_announce(&loop->intake, id);
	if (id == PGNET_LOOK_AT_ALL)
		pgnet_expiry_look_now(&loop->expiry);
}

/* Read rows, new ones or those that wait by their id. */
static void
read_queue(Loop *loop)
{
	if (!pgnet_access_allowed(&loop->access, loop->now))
		return;
	if (pgnet_intake_wants_read(&loop->intake, loop->now, loop->busy))
		pgnet_intake_read(&loop->intake, &loop->access, loop->now);
	if (pgnet_intake_wants_load(&loop->intake) && !loop->access.changed)
		pgnet_intake_load(&loop->intake, &loop->access);
}

/* Send what the limits allow, and let the network have its turn. */
static void
send_requests(Loop *loop)
{
	HttpRequest *request;

	while ((request = pgnet_backlog_next(loop->backlog)) != NULL)
		pgnet_engine_start(loop->engine, request);
	loop->busy = pgnet_engine_drive(loop->engine);
}

/* Take finished requests from the engine. */
static void
collect_finished(Loop *loop)
{
	dlist_head	finished;

	dlist_init(&finished);
	if (pgnet_engine_take_finished(loop->engine, &finished) == 0)
		return;
	while (!dlist_is_empty(&finished))
	{
		HttpRequest *request = dlist_container(HttpRequest, node,
											   dlist_pop_head_node(&finished));

		pgnet_backlog_finished(loop->backlog, request);
		pgnet_recorder_add(&loop->recorder, request);
	}
}

/* Record what is finished, when a batch is full or nothing else is to do. */
static void
record_outcomes(Loop *loop)
{
	if (loop->recorder.nfinished == 0 ||
		!pgnet_access_allowed(&loop->access, loop->now) ||
		(loop->busy && !pgnet_recorder_is_full(&loop->recorder)))
		return;
	if (pgnet_recorder_flush(&loop->recorder))
		pgnet_access_succeeded(&loop->access);
	else
		pgnet_access_back_off(&loop->access);
	forget_recorded(loop);
}

/* Let go of requests that are recorded, and tell who waits for them. */
static void
forget_recorded(Loop *loop)
{
	dlist_head *recorded = &loop->recorder.recorded;
	dlist_iter	iter;

	if (dlist_is_empty(recorded))
		return;
	dlist_foreach(iter, recorded)
	{
		HttpRequest *request = dlist_container(HttpRequest, node, iter.cur);

		/* the ids of a dropped table may mean other rows by now */
		if (request->table == loop->access.queue)
			pgnet_backlog_release(loop->backlog, request->id);
	}
	discard(recorded);
	pgnet_slot_announce_responses(loop->slot);
	pgnet_expiry_note_recorded(&loop->expiry, loop->now);
	if (loop->statistics_due == DT_NOEND)
		loop->statistics_due = TimestampTzPlusMilliseconds(loop->now,
														   STATISTICS_MS);
}

/* Remove old responses, when the network leaves time for it. */
static void
expire_responses(Loop *loop)
{
	if (loop->now < loop->expiry.due || loop->busy ||
		!pgnet_access_allowed(&loop->access, loop->now))
		return;
	if (pgnet_expiry_run(&loop->expiry, &loop->access, loop->now) &&
		loop->statistics_due == DT_NOEND)
		loop->statistics_due = TimestampTzPlusMilliseconds(loop->now,
														   STATISTICS_MS);
}

/* The extension was dropped or made anew: nothing we know is true any more. */
static void
follow_tables(Loop *loop)
{
	if (!loop->access.changed)
		return;
	loop->access.changed = false;
	pgnet_backlog_clear(loop->backlog);
	discard(&loop->recorder.finished);
	loop->recorder.nfinished = 0;
	if (OidIsValid(loop->access.queue))
	{
		pgnet_intake_announce(&loop->intake, PGNET_LOOK_AT_ALL);
		pgnet_expiry_look_now(&loop->expiry);
	}
}

/*
 * Sleep until the network, a wake-up or a due time gives us something to do;
 * for ever when there is no due time.
 */
static void
rest(Loop *loop)
{
	TimestampTz until = loop->expiry.due;
	bool		quiet = pgnet_engine_in_flight(loop->engine) == 0;

	report_activity(loop);
	if (loop->busy)
		return;
	if (!pgnet_access_allowed(&loop->access, loop->now))
		until = loop->access.retry_at;
	else if (has_table_work(loop))
		return;
	report_statistics(loop, quiet);

	until = Min(until, loop->statistics_due);
	if (until == DT_NOEND)
		pgnet_engine_wait(loop->engine, -1);
	else
		pgnet_engine_wait(loop->engine,
						  Min(TimestampDifferenceMilliseconds(loop->now, until),
							  LONGEST_REST_MS));
}

/* Could the next cycle do something with the tables at once? */
static bool
has_table_work(const Loop *loop)
{
	return loop->recorder.nfinished > 0 || loop->expiry.due <= loop->now ||
		pgnet_intake_wants_read(&loop->intake, loop->now, false) ||
		pgnet_intake_wants_load(&loop->intake) ||
		pgnet_backlog_has_ready(loop->backlog);
}

/* Show in pg_stat_activity whether requests are in flight. */
static void
report_activity(Loop *loop)
{
	bool		active = pgnet_engine_in_flight(loop->engine) > 0;

	if (active == loop->active)
		return;
	loop->active = active;
	if (active)
		pgstat_report_activity(STATE_RUNNING, "sending requests");
	else
		pgstat_report_activity(STATE_IDLE, NULL);
}

/* Let the statistics views and autovacuum see what was written. */
static void
report_statistics(Loop *loop, bool soon)
{
	if (loop->statistics_due == DT_NOEND ||
		(!soon && loop->now < loop->statistics_due))
		return;
	pgstat_report_stat(true);
	loop->statistics_due = DT_NOEND;
}

/*
 * Leave: nothing new is sent; what is in flight may finish within the grace
 * and is recorded.  What does not is in the queue still, for the next worker.
 */
static void
leave(Loop *loop)
{
	TimestampTz until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
													LEAVE_GRACE_MS);
	long		left_ms;

	do
	{
		begin_cycle(loop);
		loop->busy = pgnet_engine_drive(loop->engine);
		collect_finished(loop);
		record_outcomes(loop);
		if (pgnet_engine_in_flight(loop->engine) == 0 &&
			loop->recorder.nfinished == 0)
			break;
		left_ms = TimestampDifferenceMilliseconds(loop->now, until);
		if (!loop->busy && left_ms > 0)
			pgnet_engine_wait(loop->engine, left_ms);
	} while (left_ms > 0);
	pgstat_report_stat(true);
}

/* Free the requests of a list. */
static void
discard(dlist_head *requests)
{
	while (!dlist_is_empty(requests))
		pgnet_request_free(dlist_container(HttpRequest, node,
										   dlist_pop_head_node(requests)));
}
