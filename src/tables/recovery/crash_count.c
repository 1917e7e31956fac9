/*
 * crash_count.c -- how often the worker died while requests were in flight.
 *
 * Runs in: workers.
 *
 * net._installation is logged, so that its row survives the crash that it tells
 * about.  net._no_crash is unlogged, and has a row: PostgreSQL removes the row
 * in crash recovery, in a base backup and on a standby, and at no other time.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"

#include "tables/ids.h"
#include "tables/queue/row_update.h"
#include "tables/recovery/crash_count.h"
#include "tables/statement.h"

static PreparedStatement find_no_crash = {
	.sql = "SELECT FROM ONLY net._no_crash LIMIT 1",
};

static PreparedStatement insert_no_crash = {
	.sql = "INSERT INTO net._no_crash DEFAULT VALUES",
};

static PreparedStatement find_in_flight = {
	.sql = "SELECT i.in_flight, i.uncharged FROM ONLY net._installation AS i",
};

static PreparedStatement write_in_flight = {
	.sql = "UPDATE ONLY net._installation SET in_flight = $1, uncharged = $2",
	.nparams = 2,
	.param_types = {INT8ARRAYOID, INT4OID}
};

static PreparedStatement charge = {
	.sql = "UPDATE ONLY net.http_request_queue AS q"
		   " SET deaths = COALESCE(q.deaths, 0) OPERATOR(pg_catalog.+) 1"
		   " WHERE q.ctid OPERATOR(pg_catalog.=) ANY ($1)",
	.nparams = 1,
	.param_types = {TIDARRAYOID}
};

static PreparedStatement find_last = {
	.sql = "SELECT q.id FROM ONLY net.http_request_queue AS q"
		   " ORDER BY q.id DESC LIMIT 1",
};

static bool server_crashed(StatementSession *session);
static int	find_ids(StatementSession *session, int64 **ids, int *uncharged);
static int64 last_waiting(StatementSession *session);

void
pgnet_crash_count_begin(bool died, bool alive, CrashCount *count)
{
	StatementSession session;
	int64	   *ids;
	int			nids;
	int			uncharged;
	Datum		place;

	pgnet_statement_begin(&session, PGNET_AS_OWNER);
	/* call it even if died: it inserts the row for the next time */
	died = (server_crashed(&session) && !alive) || died;
	nids = find_ids(&session, &ids, &uncharged);
	*count = (CrashCount) {
		.last_waiting = died ? last_waiting(&session) : PG_INT64_MIN,
		.uncharged = died ? uncharged : 0
	};
	pgnet_statement_end(&session);
	if (died && nids > 0)
		count->ncharged = pgnet_queue_rows_update(&charge, ids, nids, &place,
												  NULL);
	if (nids > 0 || uncharged != count->uncharged)
		pgnet_crash_count_write(NULL, 0, count->uncharged);
}

void
pgnet_crash_count_write(const int64 *in_flight, int nin_flight, int uncharged)
{
	StatementSession session;
	Datum		values[2] = {0, Int32GetDatum(uncharged)};

	if (nin_flight > 0)
		values[0] = pgnet_ids_array(in_flight, nin_flight);
	pgnet_statement_begin(&session, PGNET_AS_OWNER);
	(void) pgnet_statement_run(&session, &write_in_flight, values,
							   nin_flight > 0 ? "  " : "n ");
	pgnet_statement_end(&session);
}

/* Did the server crash since the last call?  Resets net._no_crash. */
static bool
server_crashed(StatementSession *session)
{
	if (pgnet_statement_run(session, &find_no_crash, NULL, NULL) > 0)
		return false;
	(void) pgnet_statement_run(session, &insert_no_crash, NULL, NULL);
	return true;
}

/* Read what the last worker wrote down; returns how many ids. */
static int
find_ids(StatementSession *session, int64 **ids, int *uncharged)
{
	Datum		value;
	Datum	   *elements;
	int			nids;
	bool		null;

	*ids = NULL;
	*uncharged = 0;
	if (pgnet_statement_run(session, &find_in_flight, NULL, NULL) == 0)
		return 0;
	*uncharged = pgnet_statement_int32(session, 0, 2, 0);
	value = pgnet_statement_datum(session, 0, 1, &null);
	if (null)
		return 0;
	deconstruct_array(DatumGetArrayTypeP(value), INT8OID, sizeof(int64),
					  FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &elements, NULL,
					  &nids);
	*ids = palloc(sizeof(int64) * Max(nids, 1));
	for (int i = 0; i < nids; i++)
		(*ids)[i] = DatumGetInt64(elements[i]);
	return nids;
}

/* The highest id in the queue; PG_INT64_MIN if it is empty. */
static int64
last_waiting(StatementSession *session)
{
	return pgnet_statement_run(session, &find_last, NULL, NULL) == 1 ?
		pgnet_statement_int64(session, 0, 1, 0) :
		PG_INT64_MIN;
}
