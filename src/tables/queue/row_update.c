/*
 * row_update.c -- the worker's own updates of rows of the queue.
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "storage/itemptr.h"
#include "utils/array.h"

#include "tables/ids.h"
#include "tables/local_setting.h"
#include "tables/queue/row_update.h"

/* A row to update, by its id. */
typedef struct Target
{
	int64		id;
	int			number;			/* its index in the caller's arrays */
} Target;

static PreparedStatement lock_rows = {
	.sql = "SELECT q.id, q.ctid FROM ONLY net.http_request_queue AS q"
		   " WHERE q.id OPERATOR(pg_catalog.=) ANY ($1) FOR UPDATE SKIP LOCKED",
	.nparams = 1,
	.param_types = {INT8ARRAYOID}
};

static Datum lock_places(StatementSession *session, const int64 *ids, int nids,
						 bool *updated);
static Target *in_order(const int64 *ids, int nids);
static int	compare_targets(const void *one, const void *other);

int
pgnet_queue_rows_update(PreparedStatement *update, const int64 *ids, int nids,
						Datum *values, bool *updated)
{
	StatementSession session;
	int			level;
	int			count;

	pgnet_statement_begin(&session, PGNET_AS_OWNER);
	level = pgnet_local_setting_begin("session_replication_role", "replica");
	if (updated == NULL)
		updated = palloc(sizeof(bool) * Max(nids, 1));
	values[0] = lock_places(&session, ids, nids, updated);
	count = pgnet_statement_run(&session, update, values, NULL);
	pgnet_local_setting_end(level);
	pgnet_statement_end(&session);
	return count;
}

/*
 * Lock the rows with these ids, except those that somebody else has locked.
 * Returns their tids, as a tid[] in the order of the ids, null for the others.
 */
static Datum
lock_places(StatementSession *session, const int64 *ids, int nids,
			bool *updated)
{
	Target	   *targets = in_order(ids, nids);
	ItemPointerData *tids = palloc(sizeof(ItemPointerData) * Max(nids, 1));
	Datum	   *places = palloc(sizeof(Datum) * Max(nids, 1));
	bool	   *nulls = palloc(sizeof(bool) * Max(nids, 1));
	Datum		value = pgnet_ids_array(ids, nids);
	int			nlocked;

	nlocked = pgnet_statement_run(session, &lock_rows, &value, NULL);
	memset(nulls, true, sizeof(bool) * nids);
	for (int i = 0; i < nlocked; i++)
	{
		Target		key = {.id = pgnet_statement_int64(session, i, 1, 0)};
		const Target *target = bsearch(&key, targets, nids, sizeof(Target),
									   compare_targets);
		bool		null;

		if (target == NULL)
			continue;
		value = pgnet_statement_datum(session, i, 2, &null);
		tids[target->number] = *(ItemPointer) DatumGetPointer(value);
		places[target->number] = PointerGetDatum(&tids[target->number]);
		nulls[target->number] = false;
	}
	for (int i = 0; i < nids; i++)
		updated[i] = !nulls[i];
	return PointerGetDatum(construct_md_array(places, nulls, 1, &nids,
											  &(int) {1}, TIDOID,
											  sizeof(ItemPointerData), false,
											  TYPALIGN_SHORT));
}

/* Targets sorted by id. */
static Target *
in_order(const int64 *ids, int nids)
{
	Target	   *targets = palloc(sizeof(Target) * Max(nids, 1));

	for (int i = 0; i < nids; i++)
		targets[i] = (Target) {.id = ids[i], .number = i};
	qsort(targets, nids, sizeof(Target), compare_targets);
	return targets;
}

/* For qsort() and bsearch(). */
static int
compare_targets(const void *one, const void *other)
{
	int64		a = ((const Target *) one)->id;
	int64		b = ((const Target *) other)->id;

	return a < b ? -1 : a > b;
}
