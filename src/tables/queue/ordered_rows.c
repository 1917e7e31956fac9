/*
 * ordered_rows.c -- rows of the queue that have an ordering key.
 *
 * Runs in: workers, inside a transaction.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "tables/ids.h"
#include "tables/queue/ordered_rows.h"
#include "tables/statement.h"

/*
 * The last attempt of this round failed, and the next one is not due.  With an
 * entry {"resent": ...} at the end of the log, the round has no attempt yet.
 */
#define IS_HELD \
	"q.ordering_key IS NOT NULL AND q.gave_up IS NULL" \
	" AND q.failures IS NOT NULL" \
	" AND q.due OPERATOR(pg_catalog.>) pg_catalog.clock_timestamp()" \
	" AND (q.failures OPERATOR(pg_catalog.->) -1" \
	" OPERATOR(pg_catalog.->) 'resent') IS NULL"

static PreparedStatement held_rows = {
	.sql = "SELECT q.id, q.role::pg_catalog.oid, q.url, q.ordering_key"
		   " FROM ONLY net.http_request_queue AS q WHERE " IS_HELD " LIMIT $1",
	.nparams = 1,
	.param_types = {INT8OID}
};

/*
 * A text may be in use in so many lanes; if it is in more, one of their holders
 * may be missed.
 */
#define MOST_LANES 100

static PreparedStatement held_rows_of = {
	.sql = "SELECT h.id, k.role, h.url, k.key"
		   " FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2))"
		   " AS k (key, role), LATERAL (SELECT q.id, q.url"
		   " FROM ONLY net.http_request_queue AS q"
		   " WHERE q.ordering_key OPERATOR(pg_catalog.=) k.key"
		   " AND q.role OPERATOR(pg_catalog.=) k.role"
		   " AND " IS_HELD " LIMIT $3) AS h",
	.nparams = 3,
	.param_types = {TEXTARRAYOID, OIDARRAYOID, INT8OID}
};

/* DISTINCT: an id may be repeated if users dropped the primary key. */
static PreparedStatement still_held = {
	.sql = "SELECT DISTINCT q.id FROM ONLY net.http_request_queue AS q"
		   " WHERE q.id OPERATOR(pg_catalog.=) ANY ($1) AND " IS_HELD,
	.nparams = 1,
	.param_types = {INT8ARRAYOID}
};

/*
 * How many rows of a key are looked up at once.  The key, text and role, may be
 * in use in several lanes, which the query cannot tell apart.
 */
#define ROWS_OF_KEY 3

static PreparedStatement next_rows = {
	.sql = "SELECT n.id, k.number FROM ROWS FROM (pg_catalog.unnest($1),"
		   " pg_catalog.unnest($2), pg_catalog.unnest($3))"
		   " WITH ORDINALITY AS k (key, role, after, number), LATERAL (SELECT q.id"
		   " FROM ONLY net.http_request_queue AS q"
		   " WHERE q.ordering_key OPERATOR(pg_catalog.=) k.key"
		   " AND q.id OPERATOR(pg_catalog.>) k.after"
		   " AND q.role OPERATOR(pg_catalog.=) k.role"
		   " AND q.gave_up IS NULL AND (q.due IS NULL OR"
		   " q.due OPERATOR(pg_catalog.<=) pg_catalog.clock_timestamp())"
		   " ORDER BY q.id LIMIT $4) AS n"
		   " ORDER BY k.number, n.id",
	.nparams = 4,
	.param_types = {TEXTARRAYOID, OIDARRAYOID, INT8ARRAYOID, INT8OID}
};

static List *held_by(PreparedStatement *statement, Datum *values);
static Datum text_array(char *const *texts, int count);
static Datum oid_array(const Oid *oids, int count);

List *
pgnet_ordered_rows_held(int most)
{
	Datum		value = Int64GetDatum(most);

	return held_by(&held_rows, &value);
}

List *
pgnet_ordered_rows_held_of(const Oid *roles, char *const *keys, int nkeys)
{
	Datum		values[3];

	values[0] = text_array(keys, nkeys);
	values[1] = oid_array(roles, nkeys);
	values[2] = Int64GetDatum(MOST_LANES);
	return held_by(&held_rows_of, values);
}

/* The HeldRows that a statement finds. */
static List *
held_by(PreparedStatement *statement, Datum *values)
{
	MemoryContext context = CurrentMemoryContext;
	StatementSession session;
	List	   *rows = NIL;
	int			count;

	pgnet_statement_begin(&session, PGNET_AS_OWNER);
	count = pgnet_statement_run(&session, statement, values, NULL);
	for (int i = 0; i < count; i++)
	{
		MemoryContext before = MemoryContextSwitchTo(context);
		HeldRow    *row = palloc(sizeof(HeldRow));

		*row = (HeldRow) {
			.id = pgnet_statement_int64(&session, i, 1, 0),
			.role = pgnet_statement_oid(&session, i, 2),
			.url = pgnet_statement_text(&session, i, 3),
			.key = pgnet_statement_text(&session, i, 4)
		};
		if (row->url != NULL)
			rows = lappend(rows, row);
		MemoryContextSwitchTo(before);
	}
	pgnet_statement_end(&session);
	return rows;
}

int
pgnet_ordered_rows_still_held(int64 *ids, int nids)
{
	Datum		array = pgnet_ids_array(ids, nids);
	StatementSession session;
	int			count;

	pgnet_statement_begin(&session, PGNET_AS_OWNER);
	count = pgnet_statement_run(&session, &still_held, &array, NULL);
	for (int i = 0; i < count; i++)
		ids[i] = pgnet_statement_int64(&session, i, 1, 0);
	pgnet_statement_end(&session);
	pgnet_ids_sort(ids, count);
	return count;
}

int
pgnet_ordered_rows_next(const Oid *roles, char *const *keys,
						const int64 *after, int nkeys, int64 **ids,
						int64 *last_ids)
{
	MemoryContext context = CurrentMemoryContext;
	Datum		values[4];
	StatementSession session;
	int		   *found = palloc0(sizeof(int) * nkeys);
	int			count;

	for (int i = 0; i < nkeys; i++)
		last_ids[i] = PG_INT64_MAX;
	values[0] = text_array(keys, nkeys);
	values[1] = oid_array(roles, nkeys);
	values[2] = pgnet_ids_array(after, nkeys);
	values[3] = Int64GetDatum(ROWS_OF_KEY);
	pgnet_statement_begin(&session, PGNET_AS_OWNER);
	count = pgnet_statement_run(&session, &next_rows, values, NULL);
	*ids = MemoryContextAlloc(context, sizeof(int64) * Max(count, 1));
	for (int i = 0; i < count; i++)
	{
		int			key = (int) pgnet_statement_int64(&session, i, 2, 1) - 1;

		(*ids)[i] = pgnet_statement_int64(&session, i, 1, 0);
		if (++found[key] == ROWS_OF_KEY)
			last_ids[key] = (*ids)[i];
	}
	pgnet_statement_end(&session);
	return count;
}

static Datum
text_array(char *const *texts, int count)
{
	Datum	   *datums = palloc(sizeof(Datum) * count);

	for (int i = 0; i < count; i++)
		datums[i] = CStringGetTextDatum(texts[i]);
	return PointerGetDatum(construct_array(datums, count, TEXTOID, -1, false,
										   TYPALIGN_INT));
}

static Datum
oid_array(const Oid *oids, int count)
{
	Datum	   *datums = palloc(sizeof(Datum) * count);

	for (int i = 0; i < count; i++)
		datums[i] = ObjectIdGetDatum(oids[i]);
	return PointerGetDatum(construct_array(datums, count, OIDOID, sizeof(Oid),
										   true, TYPALIGN_INT));
}
