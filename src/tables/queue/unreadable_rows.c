/*
 * unreadable_rows.c -- reading a queue in which a row cannot be read.
 *
 * Runs in: workers.
 *
 * A disk loses part of a body, or a column got a type that some value does not
 * fit: then reading that row throws.  It must not keep those behind it from
 * their turn.  So what cannot throw is read first, and then each row in a
 * subtransaction of its own.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "job.h"
#include "tables/catalog.h"
#include "tables/ids.h"
#include "tables/queue/queue.h"
#include "tables/queue/unreadable_rows.h"
#include "tables/statement.h"
#include "tables/subtransaction.h"
#include "tables/transaction.h"

/* Columns of fixed length, which lie in the row itself. */
#define SELECT_PLACES \
	"SELECT q.id::pg_catalog.int8, q.ctid, q.role::pg_catalog.oid" \
	" FROM ONLY net.http_request_queue AS q"

static PreparedStatement scan_places = {
	.sql = SELECT_PLACES
	" WHERE q.id OPERATOR(pg_catalog.>=) $1 ORDER BY q.id LIMIT $2",
	.nparams = 2,
	.param_types = {INT8OID, INT8OID}
};

static PreparedStatement find_places = {
	.sql = SELECT_PLACES
	" WHERE q.id OPERATOR(pg_catalog.=) ANY ($1) ORDER BY q.id",
	.nparams = 1,
	.param_types = {INT8ARRAYOID}
};

/* A row by what can be read of it. */
typedef struct RowPlace
{
	int64		id;
	ItemPointerData place;
	Oid			role;
} RowPlace;

/* Reading one row, and what came of it. */
typedef struct RowRead
{
	QueueRead	read;
	int64		id;
	bool		whole;
} RowRead;

static int	select_places(PreparedStatement *statement, Datum *values,
						  RowPlace **places);
static void read_row(QueueRead *read, const RowPlace *place, bool whole);
static void read_unguarded(void *arg);
static void add_broken(QueueRead *read, const RowPlace *place,
					   const char *error);

void
pgnet_broken_rows_scan(QueueRead *read, int64 from_id, int limit)
{
	Datum		values[2] = {Int64GetDatum(from_id), Int64GetDatum(limit)};
	RowPlace   *places;
	int			count = select_places(&scan_places, values, &places);

	for (int i = 0; i < count; i++)
		read_row(read, &places[i], false);
}

void
pgnet_broken_rows_load(QueueRead *read, int64 *ids, int nids)
{
	Datum		array = pgnet_ids_array(ids, nids);
	RowPlace   *places;
	int			count = select_places(&find_places, &array, &places);

	for (int i = 0; i < count; i++)
		read_row(read, &places[i], true);
}

/* Find out which rows there are. */
static int
select_places(PreparedStatement *statement, Datum *values, RowPlace **places)
{
	StatementSession session;
	int			count;

	pgnet_statement_begin(&session, PGNET_AS_OWNER);
	count = pgnet_statement_run(&session, statement, values, NULL);
	*places = palloc0(sizeof(RowPlace) * Max(count, 1));
	for (int i = 0; i < count; i++)
	{
		bool		null;
		Datum		tid = pgnet_statement_datum(&session, i, 2, &null);

		(*places)[i] = (RowPlace) {
			.id = pgnet_statement_int64(&session, i, 1, 0),
			.place = *(ItemPointer) DatumGetPointer(tid),
			.role = pgnet_statement_oid(&session, i, 3)
		};
	}
	pgnet_statement_end(&session);
	return count;
}

/* Read one row, which is broken if that throws. */
static void
read_row(QueueRead *read, const RowPlace *place, bool whole)
{
	RowRead		one = {.id = place->id, .whole = whole};
	ErrorData  *error;

	pgnet_queue_read_init(&one.read, read->table, read->max_bytes,
						  read->parent);
	error = pgnet_subtransaction_try(read_unguarded, &one,
									 PGNET_SUBTRANSACTION_KEEP);
	if (error != NULL)
	{
		pgnet_jobs_free(&one.read.jobs);
		if (pgnet_is_transient_error(error->sqlerrcode) ||
			ERRCODE_TO_CATEGORY(error->sqlerrcode) ==
				ERRCODE_OPERATOR_INTERVENTION)
			ReThrowError(error);
		add_broken(&one.read, place, error->message);
		FreeErrorData(error);
	}
	read->count++;
	read->last_id = place->id;
	read->next_due = Min(read->next_due, one.read.next_due);
	read->left_out = read->left_out || one.read.left_out;
	while (!dlist_is_empty(&one.read.jobs))
		dlist_push_tail(&read->jobs, dlist_pop_head_node(&one.read.jobs));
}

/* SubtransactionWork: read one row. */
static void
read_unguarded(void *arg)
{
	RowRead    *one = arg;

	if (one->whole)
		pgnet_queue_load(&one->read, &one->id, 1);
	else
		pgnet_queue_scan(&one->read, one->id, 1);
}

/* Decide a row that cannot be read. */
static void
add_broken(QueueRead *read, const RowPlace *place, const char *error)
{
	Job		   *job = pgnet_job_create(read->parent);

	job->table = read->table;
	job->id = place->id;
	job->tid = place->place;
	job->role = place->role;
	pgnet_job_fail(job,
				   psprintf("the row of this request could not be read: %s",
							error));
	dlist_push_tail(&read->jobs, &job->node);
}
