/*
 * keep_rows.c -- rows of the queue that stay after an attempt.
 *
 * Runs in: workers, inside a transaction.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/timestamp.h"

#include "tables/ids.h"
#include "tables/queue/keep_rows.h"
#include "tables/queue/row_update.h"

/* The worker survived the attempt: deaths is reset. */
static PreparedStatement keep_rows = {
	.sql = "UPDATE ONLY net.http_request_queue AS q"
		   " SET due = k.due, gave_up = k.gave_up, failures = k.failures,"
		   " deaths = NULL"
		   " FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2),"
		   " pg_catalog.unnest($3), pg_catalog.unnest($4))"
		   " AS k (place, due, gave_up, failures)"
		   " WHERE q.ctid OPERATOR(pg_catalog.=) k.place",
	.nparams = 4,
	.param_types = {TIDARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID,
					JSONBARRAYOID}
};

static PreparedStatement existing_rows = {
	.sql = "SELECT q.id FROM ONLY net.http_request_queue AS q"
		   " WHERE q.id OPERATOR(pg_catalog.=) ANY ($1)",
	.nparams = 1,
	.param_types = {INT8ARRAYOID}
};

static int	run_update(Job *const *jobs, int njobs, bool *updated);
static Datum array_of(Datum *values, bool *nulls, int count, Oid type);
static void require_gone(StatementSession *session, Job *const *jobs,
						 int njobs);

int
pgnet_queue_keep_rows(StatementSession *session, Job **jobs, int njobs)
{
	bool	   *updated = palloc(sizeof(bool) * njobs);
	int			nupdated = run_update(jobs, njobs, updated);
	int			front = 0;

	if (nupdated == njobs)
		return njobs;
	for (int i = 0; i < njobs; i++)
	{
		Job		   *job = jobs[i];

		if (!updated[i])
			continue;
		jobs[i] = jobs[front];
		jobs[front++] = job;
	}
	/* with its old due, the row would not be read again */
	if (nupdated < front)
		ereport(ERROR,
				errcode(ERRCODE_TRIGGERED_ACTION_EXCEPTION),
				errmsg("a trigger keeps a request in net.http_request_queue as it was"));
	require_gone(session, jobs + front, njobs - front);
	return front;
}

/*
 * Update the rows that exist and are not locked; sets updated[] for those.
 * Returns how many were updated, which is fewer if a trigger skipped some.
 */
static int
run_update(Job *const *jobs, int njobs, bool *updated)
{
	int64	   *ids = palloc(sizeof(int64) * njobs);
	Datum	   *due = palloc(sizeof(Datum) * njobs);
	Datum	   *gave_up = palloc(sizeof(Datum) * njobs);
	Datum	   *failures = palloc(sizeof(Datum) * njobs);
	bool	   *nulls = palloc0(sizeof(bool) * njobs);
	bool	   *goes_on = palloc(sizeof(bool) * njobs);
	Datum		values[4];

	for (int i = 0; i < njobs; i++)
	{
		const Delivery *delivery = &jobs[i]->delivery;

		ids[i] = jobs[i]->id;
		due[i] = TimestampTzGetDatum(delivery->next_due);
		gave_up[i] = TimestampTzGetDatum(delivery->decided);
		goes_on[i] = delivery->disposition != PGNET_GAVE_UP;
		failures[i] = JsonbPGetDatum(delivery->log);
	}
	values[1] = array_of(due, nulls, njobs, TIMESTAMPTZOID);
	values[2] = array_of(gave_up, goes_on, njobs, TIMESTAMPTZOID);
	values[3] = array_of(failures, nulls, njobs, JSONBOID);
	return pgnet_queue_rows_update(&keep_rows, ids, njobs, values, updated);
}

/* An array of jsonb or of timestamptz. */
static Datum
array_of(Datum *values, bool *nulls, int count, Oid type)
{
	int			dims[1] = {count};
	int			lower_bounds[1] = {1};
	int			length = -1;
	bool		by_value = false;
	char		align = TYPALIGN_INT;

	if (type == TIMESTAMPTZOID)
	{
		length = sizeof(TimestampTz);
		by_value = FLOAT8PASSBYVAL;
		align = TYPALIGN_DOUBLE;
	}
	return PointerGetDatum(construct_md_array(values, nulls, 1, dims,
											  lower_bounds, type, length,
											  by_value, align));
}

/* Rows that were not updated are gone or locked; throw if one is locked. */
static void
require_gone(StatementSession *session, Job *const *jobs, int njobs)
{
	int64	   *ids = palloc(sizeof(int64) * njobs);
	Datum		array;

	for (int i = 0; i < njobs; i++)
		ids[i] = jobs[i]->id;
	array = pgnet_ids_array(ids, njobs);
	if (pgnet_statement_run(session, &existing_rows, &array, NULL) > 0)
		ereport(ERROR,
				errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				errmsg("request " INT64_FORMAT
					   " in net.http_request_queue is locked",
					   pgnet_statement_int64(session, 0, 1, 0)));
}
