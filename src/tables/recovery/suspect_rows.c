/*
 * suspect_rows.c -- net._suspect: who was in flight when the worker died.
 *
 * Runs in: workers.
 *
 * net._suspect is logged, so that it outlives the crash it is about.
 * net._no_crash is unlogged for the same reason: PostgreSQL empties it when
 * it recovers from a crash, in a backup and on a standby, and leaves it alone
 * otherwise.
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "tables/ids.h"
#include "tables/recovery/suspect_rows.h"
#include "tables/statement.h"

static PreparedStatement find_no_crash = {
	.sql = "SELECT FROM net._no_crash LIMIT 1",
};

static PreparedStatement insert_no_crash = {
	.sql = "INSERT INTO net._no_crash DEFAULT VALUES",
};

/* Those done with, and those that were in flight and nobody died. */
static PreparedStatement forget_innocent = {
	.sql = "DELETE FROM net._suspect AS s"
		   " WHERE (s.deaths OPERATOR(pg_catalog.=) 0"
		   " AND NOT (s.in_flight AND $1))"
		   " OR NOT EXISTS (SELECT FROM net.http_request_queue AS q"
		   " WHERE q.id OPERATOR(pg_catalog.=) s.id)",
	.nparams = 1,
	.param_types = {BOOLOID}
};

/*
 * The first death tells only who may have been the cause.  From then on one
 * counts that came with nobody else in flight, but others with deaths.
 */
static PreparedStatement count_death = {
	.sql = "UPDATE net._suspect AS s SET in_flight = false,"
		   " deaths = s.deaths OPERATOR(pg_catalog.+)"
		   " CASE WHEN s.alone OR s.deaths OPERATOR(pg_catalog.=) 0"
		   " THEN $1 ELSE 0 END,"
		   " beside = s.beside OPERATOR(pg_catalog.+)"
		   " CASE WHEN s.alone OR s.deaths OPERATOR(pg_catalog.=) 0"
		   " THEN 0 ELSE $1 END"
		   " WHERE s.in_flight",
	.nparams = 1,
	.param_types = {INT4OID}
};

static PreparedStatement find_suspects = {
	.sql = "SELECT s.id, s.deaths, s.beside FROM net._suspect AS s",
};

static PreparedStatement find_last = {
	.sql = "SELECT q.id FROM net.http_request_queue AS q"
		   " ORDER BY q.id DESC LIMIT 1",
};

static PreparedStatement insert_sent = {
	.sql = "INSERT INTO net._suspect (id, in_flight, alone)"
		   " SELECT pg_catalog.unnest($1), true, $2"
		   " ON CONFLICT (id) DO UPDATE"
		   " SET in_flight = true, alone = excluded.alone",
	.nparams = 2,
	.param_types = {INT8ARRAYOID, BOOLOID}
};

static PreparedStatement join_sent = {
	.sql = "UPDATE net._suspect AS s SET alone = false"
		   " WHERE s.in_flight AND s.alone",
};

static PreparedStatement delete_cleared = {
	.sql = "DELETE FROM net._suspect AS s"
		   " WHERE s.id OPERATOR(pg_catalog.=) ANY ($1)",
	.nparams = 1,
	.param_types = {INT8ARRAYOID}
};

static bool server_crashed(StatementSession *session);
static int64 last_waiting(StatementSession *session);
static void read_suspects(StatementSession *session, Inquest *inquest);

/* Find out what happened before this worker. */
void
pgnet_suspect_rows_inquire(bool died, bool alive, Inquest *inquest)
{
	StatementSession session;
	Datum		value;

	pgnet_statement_begin(&session, PGNET_AS_OWNER);
	/* in any case: the mark is to be there from now on */
	*inquest = (Inquest) {.died = (server_crashed(&session) && !alive) || died};
	value = BoolGetDatum(inquest->died);
	(void) pgnet_statement_run(&session, &forget_innocent, &value, NULL);
	value = Int32GetDatum(inquest->died ? 1 : 0);
	(void) pgnet_statement_run(&session, &count_death, &value, NULL);
	read_suspects(&session, inquest);
	inquest->last_waiting = inquest->died ? last_waiting(&session) :
											PG_INT64_MIN;
	pgnet_statement_end(&session);
}

/* Write down what is sent, forget what is cleared. */
void
pgnet_suspect_rows_write(const int64 *sent, int nsent, bool alone,
						 const int64 *cleared, int ncleared)
{
	StatementSession session;
	Datum		values[2] = {0, BoolGetDatum(alone)};

	pgnet_statement_begin(&session, PGNET_AS_OWNER);
	if (ncleared > 0)
	{
		values[0] = pgnet_ids_array(cleared, ncleared);
		(void) pgnet_statement_run(&session, &delete_cleared, values, NULL);
	}
	if (nsent > 0)
	{
		values[0] = pgnet_ids_array(sent, nsent);
		(void) pgnet_statement_run(&session, &insert_sent, values, NULL);
	}
	pgnet_statement_end(&session);
}

void
pgnet_suspect_rows_join(void)
{
	StatementSession session;

	pgnet_statement_begin(&session, PGNET_AS_OWNER);
	(void) pgnet_statement_run(&session, &join_sent, NULL, NULL);
	pgnet_statement_end(&session);
}

/* Did the server crash since the last call? */
static bool
server_crashed(StatementSession *session)
{
	if (pgnet_statement_run(session, &find_no_crash, NULL, NULL) > 0)
		return false;
	(void) pgnet_statement_run(session, &insert_no_crash, NULL, NULL);
	return true;
}

/* The highest id in the queue; when it is empty, one below all. */
static int64
last_waiting(StatementSession *session)
{
	return pgnet_statement_run(session, &find_last, NULL, NULL) == 1 ?
		pgnet_statement_int64(session, 0, 1, 0) :
		PG_INT64_MIN;
}

/* Copy the rows of net._suspect. */
static void
read_suspects(StatementSession *session, Inquest *inquest)
{
	inquest->nrows = pgnet_statement_run(session, &find_suspects, NULL, NULL);
	inquest->rows = palloc(sizeof(SuspectRow) * Max(inquest->nrows, 1));
	for (int i = 0; i < inquest->nrows; i++)
		inquest->rows[i] = (SuspectRow) {
			.id = pgnet_statement_int64(session, i, 1, 0),
			.deaths = pgnet_statement_int32(session, i, 2, 0),
			.beside = pgnet_statement_int32(session, i, 3, 0)
		};
}
