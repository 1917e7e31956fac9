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
#include "executor/spi.h"

#include "tables/catalog.h"
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

static PreparedStatement count_death = {
	.sql = "UPDATE net._suspect AS s SET in_flight = false,"
		   " deaths = s.deaths OPERATOR(pg_catalog.+) $1"
		   " WHERE s.in_flight",
	.nparams = 1,
	.param_types = {INT4OID}
};

static PreparedStatement find_suspects = {
	.sql = "SELECT s.id, s.deaths FROM net._suspect AS s",
};

static PreparedStatement find_last = {
	.sql = "SELECT q.id FROM net.http_request_queue AS q"
		   " ORDER BY q.id DESC LIMIT 1",
};

static PreparedStatement insert_sent = {
	.sql = "INSERT INTO net._suspect (id, in_flight)"
		   " SELECT pg_catalog.unnest($1), true"
		   " ON CONFLICT (id) DO UPDATE SET in_flight = true",
	.nparams = 1,
	.param_types = {INT8ARRAYOID}
};

static PreparedStatement delete_cleared = {
	.sql = "DELETE FROM net._suspect AS s"
		   " WHERE s.id OPERATOR(pg_catalog.=) ANY ($1)",
	.nparams = 1,
	.param_types = {INT8ARRAYOID}
};

static bool server_crashed(void);
static int64 last_waiting(void);
static void read_suspects(Inquest *inquest);
static int64 number(int row, int column);

/* Find out what happened before this worker. */
void
pgnet_suspect_rows_inquire(bool died, bool alive, Inquest *inquest)
{
	CatalogUser before = pgnet_catalog_become_owner();
	Datum		value;

	/* in any case: the mark is to be there from now on */
	*inquest = (Inquest) {.died = (server_crashed() && !alive) || died};
	value = BoolGetDatum(inquest->died);
	pgnet_plan_run(&forget_innocent, &value, NULL, SPI_OK_DELETE);
	value = Int32GetDatum(inquest->died ? 1 : 0);
	pgnet_plan_run(&count_death, &value, NULL, SPI_OK_UPDATE);
	read_suspects(inquest);
	inquest->last_waiting = inquest->died ? last_waiting() : PG_INT64_MIN;
	pgnet_catalog_become(before);
}

/* Write down what is sent, forget what is cleared. */
void
pgnet_suspect_rows_write(const int64 *sent, int nsent, const int64 *cleared,
						 int ncleared)
{
	CatalogUser before = pgnet_catalog_become_owner();
	Datum		ids;

	if (ncleared > 0)
	{
		ids = pgnet_ids_array(cleared, ncleared);
		pgnet_plan_run(&delete_cleared, &ids, NULL, SPI_OK_DELETE);
	}
	if (nsent > 0)
	{
		ids = pgnet_ids_array(sent, nsent);
		pgnet_plan_run(&insert_sent, &ids, NULL, SPI_OK_INSERT);
	}
	pgnet_catalog_become(before);
}

/* Did the server crash since the last call? */
static bool
server_crashed(void)
{
	pgnet_plan_run(&find_no_crash, NULL, NULL, SPI_OK_SELECT);
	if (SPI_processed > 0)
		return false;
	pgnet_plan_run(&insert_no_crash, NULL, NULL, SPI_OK_INSERT);
	return true;
}

/* The highest id in the queue; when it is empty, one below all. */
static int64
last_waiting(void)
{
	pgnet_plan_run(&find_last, NULL, NULL, SPI_OK_SELECT);
	return SPI_processed == 1 ? number(0, 1) : PG_INT64_MIN;
}

/* Copy the rows of net._suspect. */
static void
read_suspects(Inquest *inquest)
{
	pgnet_plan_run(&find_suspects, NULL, NULL, SPI_OK_SELECT);
	inquest->nrows = (int) SPI_processed;
	inquest->rows = palloc(sizeof(SuspectRow) * Max(inquest->nrows, 1));
	for (int i = 0; i < inquest->nrows; i++)
		inquest->rows[i] = (SuspectRow) {
			.id = number(i, 1),
			.deaths = (int) number(i, 2)
		};
}

/* A column, not null, of a row the last SELECT gave. */
static int64
number(int row, int column)
{
	bool		null;
	Datum		value = SPI_getbinval(SPI_tuptable->vals[row],
									  SPI_tuptable->tupdesc, column, &null);

	if (SPI_gettypeid(SPI_tuptable->tupdesc, column) == INT4OID)
		return DatumGetInt32(value);
	return DatumGetInt64(value);
}
