/*
 * record.c -- net._http_response: what became of requests.
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_type.h"
#include "utils/array.h"

#include "policy/retry.h"
#include "tables/catalog.h"
#include "tables/ids.h"
#include "tables/insert_statement.h"
#include "tables/local_setting.h"
#include "tables/queue/attempt_log.h"
#include "tables/queue/keep_rows.h"
#include "tables/queue/row_remover.h"
#include "tables/responses/record.h"
#include "tables/responses/response_row.h"
#include "tables/row_writer.h"
#include "tables/subtransaction.h"

static PreparedStatement insert_response;

/*
 * Without a look into the index; a row that was updated since is not met.  IS
 * TRUE makes the subquery a hash table to look into, and no join: one by id
 * would read all of the queue when the planner takes that for empty.
 */
static PreparedStatement delete_in_place = {
	.sql = "DELETE FROM ONLY net.http_request_queue AS q"
		   " WHERE q.ctid OPERATOR(pg_catalog.=) ANY ($1)"
		   " AND (q.id OPERATOR(pg_catalog.=) ANY"
		   " (SELECT pg_catalog.unnest($2))) IS TRUE",
	.nparams = 2,
	.param_types = {TIDARRAYOID, INT8ARRAYOID}
};

static PreparedStatement delete_requests = {
	.sql = "DELETE FROM ONLY net.http_request_queue AS q"
		   " WHERE q.id OPERATOR(pg_catalog.=) ANY ($1)",
	.nparams = 1,
	.param_types = {INT8ARRAYOID}
};

static PreparedStatement lock_requests = {
	.sql = "SELECT q.id FROM ONLY net.http_request_queue AS q"
		   " WHERE q.id OPERATOR(pg_catalog.=) ANY ($1) FOR UPDATE SKIP LOCKED",
	.nparams = 1,
	.param_types = {INT8ARRAYOID}
};

static PreparedStatement existing_requests = {
	.sql = "SELECT q.id FROM ONLY net.http_request_queue AS q"
		   " WHERE q.id OPERATOR(pg_catalog.=) ANY ($1)",
	.nparams = 1,
	.param_types = {INT8ARRAYOID}
};

/* Argument of the SubtransactionWork. */
typedef struct Recording
{
	Oid			table;
	Job *const *jobs;
	int			njobs;
	RecordMode	mode;
} Recording;

/* Jobs by what is to be done; one may be in two of them. */
typedef struct Parts
{
	Job		  **kept;			/* their rows stay, changed */
	int			nkept;
	Job		  **stored;			/* get a response */
	int			nstored;
	Job		  **removed;		/* their rows go */
	int			nremoved;
} Parts;

static void record(void *recording);
static void part(Parts *parts, Oid table, Job *const *jobs, int njobs,
				 bool remove_only);
static void add_to_log(Job *job);
static bool leaves_nothing(const Job *job);
static void keep_rows(StatementSession *session, Parts *parts);
static void remove_rows(StatementSession *session, Job *const *jobs, int njobs,
						RecordMode mode);
static void insert_outcomes(StatementSession *session, Job *const *jobs,
							int njobs);
static int	remove_in_place(StatementSession *session, Job *const *jobs,
							int njobs, RecordMode mode);
static void remove_requests(StatementSession *session, Job *const *jobs,
							int njobs);
static Datum tids_of(Job *const *jobs, int njobs);
static Datum ids_of(Job *const *jobs, int njobs);
static int	find_ids(StatementSession *session, PreparedStatement *statement,
					 Datum ids, int64 **found);

void
pgnet_responses_record(Oid table, Job *const *jobs, int njobs,
					   RecordMode mode)
{
	StatementSession session;
	Parts		parts;
	int			level = 0;

	pgnet_statement_begin(&session, PGNET_AS_OWNER);
	if (mode != PGNET_RECORD_NORMAL)
		level = pgnet_local_setting_begin("session_replication_role",
										  "replica");
	part(&parts, table, jobs, njobs, mode == PGNET_RECORD_REMOVE_ONLY);
	if (parts.nkept > 0)
		keep_rows(&session, &parts);
	if (parts.nstored > 0)
		insert_outcomes(&session, parts.stored, parts.nstored);
	if (parts.nremoved > 0)
		remove_rows(&session, parts.removed, parts.nremoved, mode);
	if (mode != PGNET_RECORD_NORMAL)
		pgnet_local_setting_end(level);
	pgnet_statement_end(&session);
}

/* Sort jobs of the table by what is to be done. */
static void
part(Parts *parts, Oid table, Job *const *jobs, int njobs, bool remove_only)
{
	*parts = (Parts) {
		.kept = palloc(sizeof(Job *) * njobs),
		.stored = palloc(sizeof(Job *) * njobs),
		.removed = palloc(sizeof(Job *) * njobs)
	};
	for (int i = 0; i < njobs; i++)
	{
		Job		   *job = jobs[i];
		Delivery   *delivery = &job->delivery;

		if (job->table != table)
			continue;
		delivery->log = delivery->failures;
		if (delivery->disposition >= PGNET_AGAIN || job->outcome.part != NULL)
			add_to_log(job);
		if (!remove_only && delivery->next_due != 0)
			parts->kept[parts->nkept++] = job;
		else
			parts->removed[parts->nremoved++] = job;
		if (!remove_only && delivery->disposition != PGNET_AGAIN &&
			!leaves_nothing(job))
			parts->stored[parts->nstored++] = job;
	}
}

/* Add the last attempt to the log of a job. */
static void
add_to_log(Job *job)
{
	Delivery   *delivery = &job->delivery;

	delivery->log = pgnet_attempt_log_add(job);
	delivery->log_growth = VARSIZE(delivery->log);
	if (delivery->failures != NULL)
		delivery->log_growth -= VARSIZE(delivery->failures);
}

/* Does a success leave no response?  A callback is called with one first. */
static bool
leaves_nothing(const Job *job)
{
	const Delivery *delivery = &job->delivery;

	return delivery->drops_success && delivery->callback == NULL &&
		pgnet_is_success(&job->outcome);
}

/*
 * Keep rows.  What became of a request whose row is gone, because it was
 * cancelled meanwhile, is stored as if there were no further attempts.
 */
static void
keep_rows(StatementSession *session, Parts *parts)
{
	int			left = pgnet_queue_keep_rows(session, parts->kept,
											 parts->nkept);

	for (int i = left; i < parts->nkept; i++)
	{
		Job		   *job = parts->kept[i];
		Delivery   *delivery = &job->delivery;

		if (delivery->disposition == PGNET_GAVE_UP)
			continue;
		delivery->disposition = pgnet_retry_decide(&job->outcome,
												   &(RetryPolicy) {0});
		/* also if it comes to another try to record it */
		delivery->next_due = 0;
		if (job->outcome.part == NULL)
			delivery->log = delivery->failures;
		parts->stored[parts->nstored++] = job;
	}
}

/* Remove rows, where they were if they can be. */
static void
remove_rows(StatementSession *session, Job *const *jobs, int njobs,
			RecordMode mode)
{
	int			removed = 0;

	if (mode != PGNET_RECORD_REMOVE_ONLY)
		removed = remove_in_place(session, jobs, njobs, mode);
	if (removed < njobs)
		remove_requests(session, jobs, njobs);
}

ErrorData *
pgnet_responses_try_record(Oid table, Job *const *jobs,
						   int njobs, RecordMode mode)
{
	Recording	recording = {
		.table = table,
		.jobs = jobs,
		.njobs = njobs,
		.mode = mode
	};

	return pgnet_subtransaction_try(record, &recording,
									PGNET_SUBTRANSACTION_KEEP);
}

/* SubtransactionWork of pgnet_responses_try_record(). */
static void
record(void *arg)
{
	Recording  *recording = arg;

	/* what the rows are made of goes with the session of SPI */
	pgnet_statement_connect();
	pgnet_responses_record(recording->table, recording->jobs,
						   recording->njobs, recording->mode);
	pgnet_statement_finish();
}

int
pgnet_responses_recordable(Job **jobs, int njobs)
{
	StatementSession session;
	Datum		ids = ids_of(jobs, njobs);
	int64	   *locked;
	int64	   *existing;
	int			nlocked;
	int			nexisting;
	int			front = 0;

	pgnet_statement_begin(&session, PGNET_AS_OWNER);
	nlocked = find_ids(&session, &lock_requests, ids, &locked);
	nexisting = find_ids(&session, &existing_requests, ids, &existing);
	pgnet_statement_end(&session);
	for (int i = 0; i < njobs; i++)
	{
		Job		   *job = jobs[i];

		/* a row that is gone altogether is in nobody's hands either */
		if (pgnet_ids_contain(existing, nexisting, job->id) &&
			!pgnet_ids_contain(locked, nlocked, job->id))
			continue;
		jobs[i] = jobs[front];
		jobs[front++] = job;
	}
	return front;
}

/* Insert a response row for each job. */
static void
insert_outcomes(StatementSession *session, Job *const *jobs, int njobs)
{
	TableTraits traits;
	Relation	log = pgnet_catalog_open_writable_log(&traits);
	RowWriter  *writer = log ? pgnet_row_writer_begin(log, &traits) : NULL;
	OutcomeRows rows;

	pgnet_outcome_rows_init(&rows);
	for (int i = 0; i < njobs; i++)
	{
		pgnet_outcome_rows_fill(&rows, jobs[i]);
		if (writer != NULL)
			(void) pgnet_row_writer_insert(writer, pgnet_outcome_rows_shape,
										   RESPONSE_COLUMNS, rows.values,
										   rows.nulls);
		else
			(void) pgnet_insert_statement_run(session, &insert_response,
											  "_http_response",
											  pgnet_outcome_rows_shape,
											  RESPONSE_COLUMNS, "", rows.values,
											  rows.nulls);
	}
	if (log == NULL)
		return;
	pgnet_row_writer_end(writer);
	table_close(log, NoLock);
}

/*
 * Remove the rows that are where they were; how many.  In a mode for tables
 * with triggers by a statement, which minds the mode.
 */
static int
remove_in_place(StatementSession *session, Job *const *jobs, int njobs,
				RecordMode mode)
{
	Relation	queue = NULL;
	Datum		values[2];
	int			removed;

	if (mode == PGNET_RECORD_NORMAL)
		queue = pgnet_catalog_open_removable_queue();
	if (queue != NULL)
	{
		removed = pgnet_queue_rows_remove(queue, jobs, njobs);
		table_close(queue, NoLock);
		return removed;
	}
	values[0] = tids_of(jobs, njobs);
	values[1] = ids_of(jobs, njobs);
	return pgnet_statement_run(session, &delete_in_place, values, NULL);
}

/*
 * Remove the requests' rows wherever they are.  Users may have deleted some,
 * but a trigger that keeps one would have its request sent again.
 */
static void
remove_requests(StatementSession *session, Job *const *jobs, int njobs)
{
	Datum		ids = ids_of(jobs, njobs);
	int64	   *left;

	if (pgnet_statement_run(session, &delete_requests, &ids, NULL) < njobs &&
		find_ids(session, &existing_requests, ids, &left) > 0)
		ereport(ERROR,
				errcode(ERRCODE_TRIGGERED_ACTION_EXCEPTION),
				errmsg("a trigger or rule keeps request " INT64_FORMAT
					   " in net.http_request_queue",
					   left[0]));
}

/* Where the rows of requests were, as a tid[]. */
static Datum
tids_of(Job *const *jobs, int njobs)
{
	Datum	   *places = palloc(sizeof(Datum) * njobs);

	for (int i = 0; i < njobs; i++)
		places[i] = PointerGetDatum(&jobs[i]->tid);
	return PointerGetDatum(construct_array(places, njobs, TIDOID,
										   sizeof(ItemPointerData), false,
										   TYPALIGN_SHORT));
}

/* The ids of requests as a bigint[]. */
static Datum
ids_of(Job *const *jobs, int njobs)
{
	int64	   *ids = palloc(sizeof(int64) * njobs);

	for (int i = 0; i < njobs; i++)
		ids[i] = jobs[i]->id;
	return pgnet_ids_array(ids, njobs);
}

/* Run a SELECT of ids; how many, sorted in *found. */
static int
find_ids(StatementSession *session, PreparedStatement *statement, Datum ids,
		 int64 **found)
{
	int			count = pgnet_statement_run(session, statement, &ids, NULL);

	*found = palloc(sizeof(int64) * Max(count, 1));
	for (int i = 0; i < count; i++)
		(*found)[i] = pgnet_statement_int64(session, i, 1, 0);
	pgnet_ids_sort(*found, count);
	return count;
}
