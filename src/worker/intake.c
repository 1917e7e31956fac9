/*
 * intake.c -- reading rows of the queue into the backlog.
 *
 * Runs in: workers.
 *
 * The queue is read forward by id, from where reading ended or from the
 * lowest id that was announced since, whichever comes first.  An id that was
 * announced later than a higher one is met a second time on the way: the
 * backlog knows which ids it holds.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "settings.h"
#include "shared/slots.h"
#include "tables/request_queue.h"
#include "url.h"
#include "worker/intake.h"

/* With enough in memory, read on for other hosts' requests this often. */
#define LOOK_AHEAD_MS 5

/* Rows loaded by their ids at a time. */
#define MAX_LOAD_ROWS 200

/* What one transaction reads. */
typedef struct Rows
{
	Intake	   *intake;
	int64		ids[MAX_LOAD_ROWS]; /* to load */
	int			nids;
	int			count;			/* that came */
	dlist_head	list;
} Rows;

static void scan_rows(void *arg);
static void load_rows(void *arg);
static void take_rows(Intake *intake, Rows *rows);
static void take_loaded(Intake *intake, Rows *rows);
static bool may_be_sent(HttpRequest *request);
static void take_refused(Intake *intake, HttpRequest *request);
static HttpRequest *pop(dlist_head *list);
static void free_all(dlist_head *list);

/* Go back to a lower id, or on to a higher one. */
void
pgnet_intake_announce(Intake *intake, int64 id)
{
	/* read to the end before: skip what lies between, dead rows and all */
	intake->next_id = intake->more ? Min(intake->next_id, id) : id;
	intake->more = true;
}

/*
 * Read on while there is room in memory for more, for the next requests and
 * those of other hosts.  Beyond that only ids are kept, and reading gives way
 * to sending.
 */
bool
pgnet_intake_wants_read(const Intake *intake, TimestampTz now, bool busy)
{
	const Backlog *backlog = intake->backlog;

	if (!intake->more || pgnet_backlog_is_full(backlog) ||
		!pgnet_backlog_has_room(backlog) || pgnet_backlog_has_ready(backlog))
		return false;
	return !pgnet_backlog_is_rich(backlog) || !busy ||
		now >= TimestampTzPlusMilliseconds(intake->last_read, LOOK_AHEAD_MS);
}

/* Load only when there is nothing in memory to send. */
bool
pgnet_intake_wants_load(const Intake *intake)
{
	return !pgnet_backlog_has_ready(intake->backlog) &&
		pgnet_backlog_has_hungry(intake->backlog);
}

/* Read the next rows. */
void
pgnet_intake_read(Intake *intake, TableAccess *access, TimestampTz now)
{
	Rows		rows = {.intake = intake};

	dlist_init(&rows.list);
	if (pgnet_access_run(access, scan_rows, &rows))
	{
		intake->last_read = now;
		take_rows(intake, &rows);
	}
	else
		free_all(&rows.list);
	/* nothing to read until CREATE EXTENSION wakes us */
	if (!OidIsValid(access->queue))
		intake->more = false;
}

/* Load rows by their ids. */
void
pgnet_intake_load(Intake *intake, TableAccess *access)
{
	Rows		rows = {.intake = intake};

	dlist_init(&rows.list);
	rows.nids = pgnet_backlog_to_load(intake->backlog, rows.ids, MAX_LOAD_ROWS);
	if (pgnet_access_run(access, load_rows, &rows))
		take_loaded(intake, &rows);
	else
		free_all(&rows.list);
}

/* TableWork of pgnet_intake_read(). */
static void
scan_rows(void *arg)
{
	Rows	   *rows = arg;

	rows->count = pgnet_queue_scan(rows->intake->next_id,
								   pgnet_setting_batch_size,
								   rows->intake->requests, &rows->list);
}

/* TableWork of pgnet_intake_load(). */
static void
load_rows(void *arg)
{
	Rows	   *rows = arg;

	rows->count = pgnet_queue_load(rows->ids, rows->nids,
								   rows->intake->requests, &rows->list);
}

/* Take over what was read. */
static void
take_rows(Intake *intake, Rows *rows)
{
	intake->more = rows->count == pgnet_setting_batch_size;
	while (!dlist_is_empty(&rows->list))
	{
		HttpRequest *request = pop(&rows->list);

		if (request->id == PG_INT64_MAX)
			intake->more = false;
		else
			intake->next_id = request->id + 1;
		if (may_be_sent(request))
			pgnet_backlog_add(intake->backlog, request);
		else
			take_refused(intake, request);
	}
}

/* Take over what was loaded: rows may have changed since they were read. */
static void
take_loaded(Intake *intake, Rows *rows)
{
	dlist_head	good;
	dlist_head	refused;

	dlist_init(&good);
	dlist_init(&refused);
	while (!dlist_is_empty(&rows->list))
	{
		HttpRequest *request = pop(&rows->list);

		dlist_push_tail(may_be_sent(request) ? &good : &refused,
						&request->node);
	}
	pgnet_backlog_loaded(intake->backlog, rows->nids, &good);
	while (!dlist_is_empty(&refused))
		take_refused(intake, pop(&refused));
}

/* Can a row be sent?  If not, it has its outcome. */
static bool
may_be_sent(HttpRequest *request)
{
	char	   *problem;

	if (request->outcome.kind != PGNET_OUTCOME_PENDING)
		return false;
	problem = pgnet_url_scheme_problem(request->url);
	if (problem != NULL)
	{
		pgnet_request_fail(request, problem);
		return false;
	}
	request->host_key = pgnet_url_host_key(request->url);
	return true;
}

/* A row that cannot be sent is finished already. */
static void
take_refused(Intake *intake, HttpRequest *request)
{
	if (pgnet_backlog_hold(intake->backlog, request->id))
		pgnet_recorder_add(intake->recorder, request);
	else
		pgnet_request_free(request);
}

/* Take the first request of a list. */
static HttpRequest *
pop(dlist_head *list)
{
	return dlist_container(HttpRequest, node, dlist_pop_head_node(list));
}

/* Free the requests of a list. */
static void
free_all(dlist_head *list)
{
	while (!dlist_is_empty(list))
		pgnet_request_free(pop(list));
}
