/*
 * intake.c -- reading rows of the queue into lanes.
 *
 * Runs in: workers.
 *
 * The queue is read in order of id, from where the last read ended or from the
 * lowest id that was announced since, whichever is lower.  So rows may be read
 * again; the lanes know which they have.  If a lane or a role has no room for a
 * row, the queue is read again when it has, which is a refill.  Rows that are
 * not due, and those with a busy ordering key, are left out; if rows are
 * changed while some are left out, the whole queue is read again, which is a
 * rescan.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "clock.h"
#include "endpoint_url.h"
#include "settings.h"
#include "shared/worker_state.h"
#include "tables/policy/access_rule_rows.h"
#include "tables/policy/endpoints.h"
#include "tables/policy/message_headers.h"
#include "tables/policy/secrets.h"
#include "tables/queue/queue.h"
#include "tables/queue/unreadable_rows.h"
#include "tables/transaction.h"
#include "url.h"
#include "url_target.h"
#include "worker/counting.h"
#include "worker/intake.h"
#include "worker/template_cleanup.h"

/*
 * With enough requests in memory, read on this often, for other lanes whose
 * requests come later in the queue.
 */
#define LOOK_AHEAD_MS 5

/*
 * The statement_timeout of a read after one that failed grows with the pause of
 * its backoff, up to this.
 */
#define LONGEST_READ_SECONDS 100

/*
 * How old a loaded request may be when it is sent, if it has values of an
 * endpoint or of secrets: privileges are checked for each attempt, and
 * receivers check the time of a signature.
 */
#define FRESH_MS 5000

/* Read this many times more rows at a time if only their ids are kept. */
#define IDS_FACTOR 10

/* The most rows that are loaded by their ids at a time. */
#define MAX_LOAD_ROWS 200

/* The least pause after a rescan, as a multiple of its duration. */
#define RESCAN_PAUSE_FACTOR 50

/* Why a row was read. */
typedef enum ReadKind
{
	READ_NEW,					/* it may not have been read before */
	READ_REFILL,				/* there was no room for it before */
	READ_DUE,					/* its time has come */
	READ_ORDERED				/* it is the next one of its ordering key */
} ReadKind;

/* What one transaction reads. */
typedef struct Rows
{
	Intake	   *intake;
	TableGuard *guard;
	int64	   *ids;			/* of the rows to load */
	int			nids;
	bool		begun;			/* the tables were locked */
	bool		refill;			/* a scan is for a refill */
	int64		from_id;		/* where a scan begins */
	int			limit;			/* rows to read */
	DuePlace	due_place;		/* up to where due rows were read */
	TimestampTz next_due;		/* when there will be more */
	bool		given_up_left;	/* rows that could not be removed */
	QueueRead	read;			/* what was read */
	LaneEndpoint *endpoints;	/* whose limits to read */
	int			nendpoints;
} Rows;

static void begin_rescan(Intake *intake, TimestampTz now);
static bool begin_reading(Intake *intake, TableGuard *guard, Backoff *backoff);
static void plan_given_up(Intake *intake, const Rows *rows);
static void leave_out_known(Rows *rows);
static bool tries_again(const Backoff *backoff);
static void scan_rows(void *arg);
static void load_rows(void *arg);
static void read_due_rows(void *arg);
static void read_next_rows(void *arg);
static void read_limits(void *arg);
static void begin_read(Rows *rows);
static void load_by_ids(Rows *rows, const Backoff *backoff);
static int	read_limit(const Intake *intake);
static bool begin_refill(Intake *intake);
static void take_rows(Intake *intake, Rows *rows);
static void take_row(Intake *intake, Job *job, ReadKind kind);
static void go_on_reading(Intake *intake, int64 next_id);
static void go_on_refilling(Intake *intake, int64 next_id);
static void take_loaded(Intake *intake, Rows *rows, TimestampTz now);
static void look_again(Intake *intake);
static void check_rows(Rows *rows, bool to_be_sent);
static void check_row(Job *job, bool to_be_sent);
static void set_limits(Job *job);
static void use_limits(Intake *intake, const Job *job);
static void take_refused(Intake *intake, Job *job, TimestampTz now);

void
pgnet_intake_announce(Intake *intake, int64 id)
{
	/* if all was read, skip the rows before id, of which many may be dead */
	intake->next_id = intake->more ? Min(intake->next_id, id) : id;
	intake->more = true;
	intake->looked_again = false;
}

void
pgnet_intake_changed(Intake *intake)
{
	pgnet_due_rows_look_again(&intake->due_rows);
	intake->rescan = intake->left_out;
}

void
pgnet_intake_note_due(Intake *intake, TimestampTz due)
{
	intake->left_out = true;
	pgnet_due_rows_note(&intake->due_rows, due);
}

/*
 * Read on at once while there is room for whole requests.  If there is only
 * room for ids, read less often while the network is busy.
 */
TimestampTz
pgnet_intake_read_due(Intake *intake, TimestampTz now, bool busy)
{
	Lanes	   *lanes = intake->lanes;
	TimestampTz due = DT_NOBEGIN;

	if (!pgnet_lanes_have_room(lanes) || pgnet_lanes_have_ready(lanes))
		return DT_NOEND;
	begin_rescan(intake, now);
	if (!intake->more && !begin_refill(intake))
		return intake->rescan ? intake->rescan_after : DT_NOEND;
	if (busy && pgnet_lanes_are_rich(lanes))
		due = TimestampTzPlusMilliseconds(intake->last_read, LOOK_AHEAD_MS);
	return pgnet_backoff_after(&intake->backoff, due);
}

/*
 * Begin a rescan, if one is wanted, new rows have been read, and the last one
 * is long enough ago.
 */
static void
begin_rescan(Intake *intake, TimestampTz now)
{
	if (!intake->rescan || intake->more || now < intake->rescan_after)
		return;
	pgnet_intake_announce(intake, PGNET_LOOK_AT_ALL);
	intake->rescan = intake->left_out = false;
	intake->rescanning = true;
	intake->rescan_began = now;
}

/* Begin a refill if one is needed.  Is one under way? */
static bool
begin_refill(Intake *intake)
{
	if (!intake->refilling)
		intake->refill_id = pgnet_lanes_refill(intake->lanes);
	intake->refilling = intake->refill_id != PG_INT64_MAX;
	return intake->refilling;
}

TimestampTz
pgnet_intake_load_due(const Intake *intake)
{
	if (pgnet_lanes_have_ready(intake->lanes) ||
		!pgnet_lanes_need_load(intake->lanes))
		return DT_NOEND;
	return pgnet_backoff_after(&intake->load_backoff, DT_NOBEGIN);
}

void
pgnet_intake_read(Intake *intake, TableGuard *guard, TimestampTz now)
{
	Rows		rows = {.intake = intake, .guard = guard};
	PaceRun		run;

	dlist_init(&rows.read.jobs);
	/* new rows and refills take turns */
	rows.refill = begin_refill(intake) && !(intake->more && intake->refilled);
	intake->refilled = rows.refill;
	rows.from_id = rows.refill ? intake->refill_id : intake->next_id;
	rows.limit = pgnet_pace_rows(&intake->pace, read_limit(intake));
	pgnet_pace_begin(&run, &intake->pace);
	if (begin_reading(intake, guard, &intake->backoff) &&
		pgnet_table_guard_try(guard, &intake->backoff, "read the queue", scan_rows,
							  &rows))
	{
		intake->last_read = now;
		pgnet_pace_done(&intake->pace, rows.read.count,
						pgnet_pace_took_us(&run));
		take_rows(intake, &rows);
		return;
	}
	if (rows.begun)
		pgnet_pace_failed(&intake->pace, rows.limit, true);
	pgnet_jobs_free(&rows.read.jobs);
	if (guard->missing)
		look_again(intake);
}

/* Do what comes before the first read; false: not done yet. */
static bool
begin_reading(Intake *intake, TableGuard *guard, Backoff *backoff)
{
	return pgnet_template_cleanup_run(intake->worker, guard, backoff) &&
		pgnet_quarantine_begin(intake->quarantine, guard, backoff);
}

void
pgnet_intake_load(Intake *intake, TableGuard *guard, TimestampTz now)
{
	int64		ids[MAX_LOAD_ROWS];
	Rows		rows = {.intake = intake, .guard = guard, .ids = ids};
	PaceRun		run;

	dlist_init(&rows.read.jobs);
	rows.nids = pgnet_lanes_to_load(intake->lanes, rows.ids,
									pgnet_pace_rows(&intake->load_pace,
													MAX_LOAD_ROWS));
	/* another worker may have taken the place meanwhile */
	if (rows.nids == 0)
		return;
	pgnet_pace_begin(&run, &intake->load_pace);
	if (pgnet_table_guard_try(guard, &intake->load_backoff, "load queued requests",
							  load_rows, &rows))
	{
		pgnet_pace_done(&intake->load_pace, rows.nids,
						pgnet_pace_took_us(&run));
		take_loaded(intake, &rows, now);
		return;
	}
	pgnet_jobs_free(&rows.read.jobs);
	/* one by one: a row may be too large for the memory there is */
	if (rows.begun)
		pgnet_pace_failed(&intake->load_pace, 1, false);
	if (rows.begun && rows.nids == 1)
		pgnet_lanes_postpone(intake->lanes);
}

TimestampTz
pgnet_intake_scheduled_due(const Intake *intake, TimestampTz now, bool busy)
{
	Lanes	   *lanes = intake->lanes;
	TimestampTz due = DT_NOBEGIN;

	if (!pgnet_lanes_have_room(lanes) || pgnet_lanes_have_ready(lanes))
		return DT_NOEND;
	if (busy && pgnet_lanes_are_rich(lanes))
		due = TimestampTzPlusMilliseconds(intake->last_read, LOOK_AHEAD_MS);
	due = Max(due, pgnet_due_rows_due(&intake->due_rows, now));
	if (intake->given_up_left)
		due = Min(due, intake->given_up_backoff.until);
	return pgnet_backoff_after(&intake->due_backoff, due);
}

void
pgnet_intake_read_scheduled(Intake *intake, TableGuard *guard,
							TimestampTz now)
{
	Rows		rows = {.intake = intake, .guard = guard};
	PaceRun		run;

	dlist_init(&rows.read.jobs);
	if (intake->given_up_left &&
		pgnet_backoff_over(&intake->given_up_backoff, now))
	{
		intake->given_up_left = false;
		pgnet_due_rows_look_again(&intake->due_rows);
	}
	rows.limit = pgnet_pace_rows(&intake->due_pace, read_limit(intake));
	rows.ids = palloc(sizeof(int64) * rows.limit);
	pgnet_pace_begin(&run, &intake->due_pace);
	if (begin_reading(intake, guard, &intake->due_backoff) &&
		pgnet_table_guard_try(guard, &intake->due_backoff,
							  "read scheduled requests", read_due_rows, &rows))
	{
		intake->last_read = now;
		pgnet_pace_done(&intake->due_pace, rows.read.count,
						pgnet_pace_took_us(&run));
		plan_given_up(intake, &rows);
		pgnet_due_rows_read(&intake->due_rows, rows.due_place, rows.next_due);
		while (!dlist_is_empty(&rows.read.jobs))
			take_row(intake, pgnet_job_pop(&rows.read.jobs), READ_DUE);
		return;
	}
	if (rows.begun)
		pgnet_pace_failed(&intake->due_pace, rows.limit, true);
	pgnet_jobs_free(&rows.read.jobs);
	/* the table is missing: nothing is due */
	if (guard->missing)
		pgnet_due_rows_init(&intake->due_rows);
}

/* Plan when to try again to remove rows that could not be removed. */
static void
plan_given_up(Intake *intake, const Rows *rows)
{
	bool		to_the_end = rows->due_place.id == PG_INT64_MAX;

	if (rows->given_up_left && !intake->given_up_left)
	{
		intake->given_up_left = true;
		pgnet_backoff_failed(&intake->given_up_backoff);
	}
	else if (to_the_end && !intake->given_up_left)
		pgnet_backoff_succeeded(&intake->given_up_backoff);
}

TimestampTz
pgnet_intake_ordered_due(const Intake *intake)
{
	return pgnet_backoff_after(&intake->order_backoff,
							   pgnet_order_due(intake->order));
}

void
pgnet_intake_read_ordered(Intake *intake, TableGuard *guard)
{
	Rows		rows = {.intake = intake, .guard = guard};

	dlist_init(&rows.read.jobs);
	if (pgnet_table_guard_try(guard, &intake->order_backoff,
							  "read requests with ordering keys", read_next_rows,
							  &rows))
	{
		while (!dlist_is_empty(&rows.read.jobs))
			take_row(intake, pgnet_job_pop(&rows.read.jobs), READ_ORDERED);
		pgnet_order_found(intake->order);
		return;
	}
	pgnet_jobs_free(&rows.read.jobs);
}

TimestampTz
pgnet_intake_limits_due(const Intake *intake)
{
	return pgnet_backoff_after(&intake->limits_backoff,
							   intake->limits_changed ? DT_NOBEGIN : DT_NOEND);
}

void
pgnet_intake_read_limits(Intake *intake, TableGuard *guard)
{
	Rows		rows = {.intake = intake};

	rows.nendpoints = pgnet_lanes_endpoints(intake->lanes, &rows.endpoints);
	if (rows.nendpoints > 0 &&
		!pgnet_table_guard_try(guard, &intake->limits_backoff,
							   "read net.endpoint", read_limits, &rows))
		return;
	intake->limits_changed = false;
	for (int i = 0; i < rows.nendpoints; i++)
		pgnet_lanes_set_policy(intake->lanes, rows.endpoints[i].lane_key,
							   rows.endpoints[i].url,
							   &rows.endpoints[i].policy);
}

/* How many rows to read at a time, unless the pace says fewer. */
static int
read_limit(const Intake *intake)
{
	int			limit = pgnet_setting_batch_size;

	return pgnet_lanes_are_rich(intake->lanes) ? limit * IDS_FACTOR : limit;
}

/*
 * The extension is missing: there is nothing to read until CREATE EXTENSION
 * wakes us.  It does so a moment before others see its catalog entries
 * (xact.c), so look once more.
 */
static void
look_again(Intake *intake)
{
	if (intake->looked_again)
		intake->more = false;
	else
		pgnet_backoff_failed(&intake->backoff);
	intake->looked_again = true;
}

/*
 * Did the last read fail?  Then a row may be unreadable; or there are so many
 * dead rows that it took too long, so that this one is given more time.
 */
static bool
tries_again(const Backoff *backoff)
{
	int			pause_ms = backoff->pause_ms;

	if (pause_ms > 0)
		pgnet_transaction_allow(Min(pause_ms / 2, LONGEST_READ_SECONDS));
	return pause_ms > 0;
}

/* TableWork of pgnet_intake_read(). */
static void
scan_rows(void *arg)
{
	Rows	   *rows = arg;

	rows->begun = true;
	pgnet_order_begin(rows->intake->order);
	begin_read(rows);
	rows->read.count_after = pgnet_counting_counted_id();
	if (tries_again(&rows->intake->backoff))
		pgnet_broken_rows_scan(&rows->read, rows->from_id, rows->limit);
	else
		pgnet_queue_scan(&rows->read, rows->from_id, rows->limit);
	elog(DEBUG1, "read %d rows of the queue", rows->read.count);
	check_rows(rows, false);
}

/* TableWork of pgnet_intake_load(). */
static void
load_rows(void *arg)
{
	Rows	   *rows = arg;

	rows->begun = true;
	begin_read(rows);
	rows->read.max_bytes = PGNET_READ_WHOLE;
	load_by_ids(rows, &rows->intake->load_backoff);
	check_rows(rows, true);
}

/* TableWork of pgnet_intake_read_limits(). */
static void
read_limits(void *arg)
{
	Rows	   *rows = arg;

	for (int i = 0; i < rows->nendpoints; i++)
		rows->endpoints[i].policy =
			pgnet_endpoints_limits(rows->endpoints[i].url);
}

/* TableWork of pgnet_intake_read_ordered(). */
static void
read_next_rows(void *arg)
{
	Rows	   *rows = arg;

	begin_read(rows);
	rows->nids = pgnet_order_find_next(rows->intake->order, &rows->ids);
	if (rows->nids == 0)
		return;
	load_by_ids(rows, &rows->intake->order_backoff);
	check_rows(rows, false);
}

/* TableWork of pgnet_intake_read_scheduled(). */
static void
read_due_rows(void *arg)
{
	Rows	   *rows = arg;
	TimestampTz now = GetCurrentTimestamp();
	int			ngiven_up;

	rows->begun = true;
	begin_read(rows);
	rows->due_place = pgnet_due_rows_begin(&rows->intake->due_rows, now);
	pgnet_order_begin(rows->intake->order);
	rows->nids = pgnet_queue_find_due(&rows->due_place, now, rows->limit,
									  rows->ids, &ngiven_up, &rows->next_due);
	if (ngiven_up > 0)
		rows->given_up_left =
			!pgnet_queue_remove_given_up(rows->ids + rows->limit - ngiven_up,
										 ngiven_up, now);
	if (ngiven_up > 0 && !rows->given_up_left)
		pgnet_counting_removed(ngiven_up);
	leave_out_known(rows);
	if (rows->nids == 0)
		return;
	load_by_ids(rows, &rows->intake->due_backoff);
	rows->next_due = Min(rows->next_due, rows->read.next_due);
	check_rows(rows, false);
}

/* Do not load rows that the lanes know. */
static void
leave_out_known(Rows *rows)
{
	int			left = 0;

	for (int i = 0; i < rows->nids; i++)
		if (!pgnet_lanes_know(rows->intake->lanes, rows->ids[i]))
			rows->ids[left++] = rows->ids[i];
	rows->nids = left;
}

/* Small rows are read whole while there is memory, otherwise their ids. */
static void
begin_read(Rows *rows)
{
	const Intake *intake = rows->intake;

	pgnet_queue_read_init(&rows->read, rows->guard->queue,
						  pgnet_lanes_are_rich(intake->lanes) ?
							  PGNET_READ_IDS :
							  PGNET_READ_SMALL,
						  intake->requests);
}

static void
load_by_ids(Rows *rows, const Backoff *backoff)
{
	if (tries_again(backoff))
		pgnet_broken_rows_load(&rows->read, rows->ids, rows->nids);
	else
		pgnet_queue_load(&rows->read, rows->ids, rows->nids);
}

/* Set the lanes of jobs, and the outcomes of those that cannot be sent. */
static void
check_rows(Rows *rows, bool to_be_sent)
{
	dlist_iter	iter;

	dlist_foreach(iter, &rows->read.jobs)
	{
		Job		   *job = dlist_container(Job, node, iter.cur);
		char	   *problem;

		if (!pgnet_job_is_pending(job))
			continue;
		problem = pgnet_url_scheme_problem(job->request.url);
		/* unless loaded, it is not known whether the row is to be kept */
		if (problem != NULL && job->loaded)
			pgnet_job_fail(job, problem);
		job->lane_key = pgnet_url_host_key(job->request.url);
		if (problem == NULL && pgnet_url_is_endpoint(job->request.url))
			set_limits(job);
		if (problem == NULL && job->loaded)
			check_row(job, to_be_sent);
	}
}

/* Read the limits of the endpoint of a job. */
static void
set_limits(Job *job)
{
	job->lane_policy = MemoryContextAlloc(job->request.context,
										  sizeof(LanePolicy));
	*job->lane_policy = pgnet_endpoints_limits(job->request.url);
}

/*
 * Apply access rules, endpoints and secrets to a job; the latter two only right
 * before it is sent: until then, a job that needs them keeps its id only.
 */
static void
check_row(Job *job, bool to_be_sent)
{
	bool		to_endpoint = pgnet_url_is_endpoint(job->request.url);

	if (!to_endpoint)
		pgnet_access_apply(job, pgnet_setting_require_access_rule);
	if (!pgnet_job_is_pending(job))
		return;
	if (to_endpoint || pgnet_secrets_wanted(job))
	{
		job->loaded = to_be_sent;
		if (!to_be_sent)
			return;
		if (to_endpoint)
			pgnet_endpoints_apply(job);
		else
			pgnet_secrets_fill(job);
		job->stale_at = TimestampTzPlusMilliseconds(pgnet_clock_now(),
													FRESH_MS);
	}
	pgnet_message_headers_add_key(job);
}

/* Take over the rows of a scan. */
static void
take_rows(Intake *intake, Rows *rows)
{
	QueueRead  *read = &rows->read;
	int64		next_id = PG_INT64_MAX;

	while (!dlist_is_empty(&read->jobs))
		take_row(intake, pgnet_job_pop(&read->jobs),
				 rows->refill ? READ_REFILL : READ_NEW);
	pgnet_due_rows_note(&intake->due_rows, read->next_due);
	pgnet_counting_scheduled(read->nscheduled, read->count, read->last_id);
	intake->left_out = intake->left_out || read->left_out;
	if (read->count >= rows->limit && read->last_id < PG_INT64_MAX)
		next_id = read->last_id + 1;
	if (rows->refill)
		go_on_refilling(intake, next_id);
	else
		go_on_reading(intake, next_id);
}

/* Take over a row, unless it is known, left out, or has no room. */
static void
take_row(Intake *intake, Job *job, ReadKind kind)
{
	bool		admitted;
	OrderRead	how = kind == READ_ORDERED ? PGNET_ORDER_NEXT :
		kind == READ_DUE				 ? PGNET_ORDER_BY_DUE :
										   PGNET_ORDER_BY_ID;

	if (!pgnet_order_admits(intake->order, job, how))
	{
		intake->left_out = true;
		pgnet_job_free(job);
		return;
	}
	admitted = pgnet_lanes_admit(intake->lanes, job, kind == READ_REFILL);
	if (!admitted)
	{
		/* if it is known, its key may have been changed by an UPDATE */
		if (pgnet_lanes_know(intake->lanes, job->id))
			pgnet_order_hold(intake->order, job);
		else
			pgnet_order_refused(intake->order, job);
		pgnet_job_free(job);
		return;
	}
	pgnet_counting_admitted(job);
	pgnet_order_hold(intake->order, job);
	use_limits(intake, job);
	if (!pgnet_job_is_pending(job))
		take_refused(intake, job, intake->last_read);
	else if (!pgnet_quarantine_defer(intake->quarantine, job))
	{
		if (pgnet_job_is_pending(job))
			pgnet_lanes_add(intake->lanes, job);
		else
			take_refused(intake, job, intake->last_read);
	}
}

/* Pass the limits of a job's endpoint to its lane. */
static void
use_limits(Intake *intake, const Job *job)
{
	if (job->lane_policy != NULL)
		pgnet_lanes_set_policy(intake->lanes, job->lane_key, job->request.url,
							   job->lane_policy);
}

/* A scan ended before next_id; PG_INT64_MAX: all rows were read. */
static void
go_on_reading(Intake *intake, int64 next_id)
{
	intake->more = next_id != PG_INT64_MAX;
	if (intake->more)
		intake->next_id = next_id;
	if (intake->more || !intake->rescanning)
		return;
	intake->rescanning = false;
	intake->rescan_after = intake->last_read +
		RESCAN_PAUSE_FACTOR * (intake->last_read - intake->rescan_began);
}

/* The same for a refill, which ends where new rows are to be read. */
static void
go_on_refilling(Intake *intake, int64 next_id)
{
	bool		to_the_end = next_id == PG_INT64_MAX ||
		(intake->more && next_id >= intake->next_id);

	intake->refill_id = next_id;
	pgnet_lanes_refill_reached(intake->lanes, next_id);
	if (!to_the_end && !pgnet_lanes_are_refilled(intake->lanes))
		return;
	pgnet_lanes_refilled(intake->lanes, next_id, to_the_end);
	intake->refilling = false;
}

/* Take over what was loaded.  Rows may have changed, or may be gone. */
static void
take_loaded(Intake *intake, Rows *rows, TimestampTz now)
{
	dlist_head	good;
	dlist_head	refused;
	int			count = 0;

	dlist_init(&good);
	dlist_init(&refused);
	while (!dlist_is_empty(&rows->read.jobs))
	{
		Job		   *job = pgnet_job_pop(&rows->read.jobs);

		dlist_push_tail(pgnet_job_is_pending(job) ? &good : &refused,
						&job->node);
		count++;
	}
	/* rows that are gone may have held their keys */
	if (count < rows->nids)
		pgnet_order_check(intake->order);
	pgnet_lanes_loaded(intake->lanes, rows->nids, &good);
	pgnet_due_rows_note(&intake->due_rows, rows->read.next_due);
	intake->left_out = intake->left_out || rows->read.left_out;
	while (!dlist_is_empty(&refused))
	{
		Job		   *job = pgnet_job_pop(&refused);

		pgnet_lanes_remember(intake->lanes, job);
		take_refused(intake, job, now);
	}
}

/* A row that cannot be sent is finished already. */
static void
take_refused(Intake *intake, Job *job, TimestampTz now)
{
	(void) pgnet_lanes_finished(intake->lanes, job);
	pgnet_recorder_add(intake->recorder, job, now);
}
