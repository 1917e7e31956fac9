/*
 * stored_size.c -- how much room the stored responses of each role take.
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_type.h"
#include "storage/bufmgr.h"
#include "storage/itemptr.h"

#include "tables/catalog.h"
#include "tables/responses/stored_size.h"
#include "tables/statement.h"

/* pg_column_size() does not read TOASTed values. */
static PreparedStatement count_rows = {
	.sql = "SELECT r.role::pg_catalog.oid,"
		   " pg_catalog.sum(COALESCE(pg_catalog.pg_column_size(r.content), 0)::pg_catalog.int8"
		   " OPERATOR(pg_catalog.+) COALESCE(pg_catalog.pg_column_size(r.content_bytes), 0)"
		   " OPERATOR(pg_catalog.+) COALESCE(pg_catalog.pg_column_size(r.headers), 0)"
		   " OPERATOR(pg_catalog.+) COALESCE(pg_catalog.pg_column_size(r.url), 0)"
		   " OPERATOR(pg_catalog.+) COALESCE(pg_catalog.pg_column_size(r.context), 0)"
		   " OPERATOR(pg_catalog.+) COALESCE(pg_catalog.pg_column_size(r.failures), 0)"
		   " OPERATOR(pg_catalog.+) COALESCE(pg_catalog.pg_column_size(r.final_url), 0)"
		   " OPERATOR(pg_catalog.+) $3)::pg_catalog.int8"
		   " FROM ONLY net._http_response AS r"
		   " WHERE r.ctid OPERATOR(pg_catalog.>=) $1"
		   " AND r.ctid OPERATOR(pg_catalog.<) $2 GROUP BY r.role",
	.nparams = 3,
	.param_types = {TIDOID, TIDOID, INT8OID}
};

static uint64 blocks_of(Oid table, BlockNumber *blocks);

uint64
pgnet_responses_disk_size(BlockNumber *blocks)
{
	Oid			table = pgnet_catalog_relation("_http_response");
	Relation	responses = table_open(table, NoLock);
	Oid			toast = responses->rd_rel->reltoastrelid;
	uint64		size = blocks_of(table, blocks);
	BlockNumber ignored;

	table_close(responses, NoLock);
	if (OidIsValid(toast))
		size += blocks_of(toast, &ignored);
	return size * BLCKSZ;
}

static uint64
blocks_of(Oid table, BlockNumber *blocks)
{
	Relation	relation = table_open(table, AccessShareLock);

	*blocks = RelationGetNumberOfBlocks(relation);
	table_close(relation, NoLock);
	return *blocks;
}

StoredSize *
pgnet_responses_count(BlockNumber first, BlockNumber last, int *nroles)
{
	ItemPointerData from;
	ItemPointerData to;
	Datum		values[] = {
		PointerGetDatum(&from),
		PointerGetDatum(&to),
		Int64GetDatum(PGNET_STORED_ROW_BYTES)
	};
	StatementSession session;
	StoredSize *sizes;

	ItemPointerSet(&from, first, 0);
	ItemPointerSet(&to, last, 0);
	pgnet_statement_begin(&session, PGNET_AS_OWNER);
	*nroles = pgnet_statement_run(&session, &count_rows, values, NULL);
	sizes = palloc(sizeof(StoredSize) * Max(*nroles, 1));
	for (int i = 0; i < *nroles; i++)
		sizes[i] = (StoredSize) {
			.role = pgnet_statement_oid(&session, i, 1),
			.bytes = pgnet_statement_int64(&session, i, 2, 0)
		};
	pgnet_statement_end(&session);
	return sizes;
}
