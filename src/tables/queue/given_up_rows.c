/*
 * given_up_rows.c -- rows of requests that were given up, in the order in which
 * they go.
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_type.h"
#include "storage/bufmgr.h"
#include "utils/timestamp.h"

#include "tables/catalog.h"
#include "tables/local_setting.h"
#include "tables/queue/given_up_rows.h"
#include "tables/queue/queue_row.h"
#include "tables/statement.h"
#include "url_target.h"

/*
 * In order of the index on (due, id).  Others that have a time are skipped by
 * us, so that a look takes no longer when there are many of them.
 */
static PreparedStatement read_rows = {
	.sql = "SELECT q.due::pg_catalog.timestamptz, q.id::pg_catalog.int8,"
		   " q.gave_up IS NOT NULL, q.url::pg_catalog.text,"
		   " (" PGNET_QUEUE_STORED_SIZE ")::pg_catalog.int8"
		   " FROM ONLY net.http_request_queue AS q"
		   " WHERE q.due IS NOT NULL AND (q.due, q.id) OPERATOR(pg_catalog.>) ($1, $2)"
		   " ORDER BY q.due, q.id LIMIT $3",
	.nparams = 3,
	.param_types = {TIMESTAMPTZOID, INT8OID, INT8OID}
};

static char *host_of(const char *url);

uint64
pgnet_queue_disk_size(void)
{
	Relation	queue =
		table_open(pgnet_catalog_relation("http_request_queue"), NoLock);
	Oid			toast = queue->rd_rel->reltoastrelid;
	uint64		blocks = RelationGetNumberOfBlocks(queue);

	table_close(queue, NoLock);
	if (OidIsValid(toast))
	{
		Relation	relation = table_open(toast, AccessShareLock);

		blocks += RelationGetNumberOfBlocks(relation);
		table_close(relation, NoLock);
	}
	return blocks * BLCKSZ;
}

int
pgnet_given_up_read(DuePlace *place, int limit, GivenUpRow *rows, bool *end)
{
	MemoryContext context = CurrentMemoryContext;
	Datum		values[] = {TimestampTzGetDatum(place->due),
					  Int64GetDatum(place->id), Int64GetDatum(limit)};
	StatementSession session;
	int			level;
	int			nrows = 0;
	int			count;

	/* statistics may say that the queue is empty */
	level = pgnet_local_setting_begin("enable_seqscan", "off");
	pgnet_local_setting_more("enable_bitmapscan", "off");
	pgnet_local_setting_more("plan_cache_mode", "force_generic_plan");
	pgnet_statement_begin(&session, PGNET_AS_OWNER);
	count = pgnet_statement_run(&session, &read_rows, values, NULL);
	MemoryContextSwitchTo(context);
	for (int i = 0; i < count; i++)
	{
		char	   *url;

		place->due = pgnet_statement_int64(&session, i, 1, 0);
		place->id = pgnet_statement_int64(&session, i, 2, 0);
		if (!pgnet_statement_bool(&session, i, 3, false))
			continue;
		url = pgnet_statement_text(&session, i, 4);
		rows[nrows++] = (GivenUpRow) {
			.id = place->id,
			.lane = url ? pgnet_url_host_key(url) : 0,
			.bytes = pgnet_statement_int64(&session, i, 5, 0),
			.host = url ? host_of(url) : pstrdup("-")
		};
	}
	pgnet_statement_end(&session);
	pgnet_local_setting_end(level);
	*end = count < limit;
	return nrows;
}

/* As a message may say it. */
static char *
host_of(const char *url)
{
	int			length;
	const char *host = pgnet_url_host(url, &length);

	return pnstrdup(host, length);
}
