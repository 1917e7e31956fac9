/*
 * waiting.c -- how much waits in the queue, by role.
 *
 * Runs in: workers, inside a transaction.
 */
#include "postgres.h"

#include "executor/spi.h"

#include "tables/catalog.h"
#include "tables/plans.h"
#include "tables/waiting.h"

static PreparedStatement count_rows = {
	.sql = "SELECT q.role::pg_catalog.oid, pg_catalog.count(*),"
		   " pg_catalog.sum(pg_catalog.octet_length(q.url)"
		   " OPERATOR(pg_catalog.+) COALESCE(pg_catalog.pg_column_size(q.headers), 0)"
		   " OPERATOR(pg_catalog.+) COALESCE(pg_catalog.octet_length(q.body), 0))"
		   " FROM net.http_request_queue AS q GROUP BY q.role",
};

static Datum column(int row, int number, Datum if_null);

/* Count. */
Waiting *
pgnet_waiting_count(int *nroles)
{
	MemoryContext context = CurrentMemoryContext;
	CatalogUser before = pgnet_catalog_become_owner();
	Waiting    *waiting;

	pgnet_plan_run(&count_rows, NULL, NULL, SPI_OK_SELECT);
	*nroles = (int) SPI_processed;
	waiting = MemoryContextAllocZero(context, sizeof(Waiting) * (*nroles + 1));
	for (int i = 0; i < *nroles; i++)
		waiting[i] = (Waiting) {
			.role = DatumGetObjectId(column(i, 1, InvalidOid)),
			.rows = DatumGetInt64(column(i, 2, 0)),
			.bytes = DatumGetInt64(column(i, 3, 0))
		};
	SPI_freetuptable(SPI_tuptable);
	pgnet_catalog_become(before);
	return waiting;
}

/* A column of what was counted. */
static Datum
column(int row, int number, Datum if_null)
{
	bool		null;
	Datum		value = SPI_getbinval(SPI_tuptable->vals[row],
									  SPI_tuptable->tupdesc, number, &null);

	return null ? if_null : value;
}
