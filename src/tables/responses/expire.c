/*
 * expire.c -- removing old responses.
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "tables/responses/expire.h"
#include "tables/statement.h"
#include "tables/subtransaction.h"

static PreparedStatement expire_responses = {
	.sql = "DELETE FROM ONLY net._http_response AS r"
		   " WHERE r.ctid OPERATOR(pg_catalog.=) ANY (ARRAY("
		   " SELECT old.ctid FROM ONLY net._http_response AS old"
		   " WHERE old.created OPERATOR(pg_catalog.<) $1"
		   " AND (old.callback IS NULL OR old.called IS NOT NULL)"
		   " ORDER BY old.created LIMIT $2 OFFSET $3 FOR UPDATE SKIP LOCKED))",
	.nparams = 3,
	.param_types = {TIMESTAMPTZOID, INT8OID, INT8OID}
};

static PreparedStatement oldest_response = {
	.sql = "SELECT r.created FROM ONLY net._http_response AS r"
		   " WHERE r.callback IS NULL OR r.called IS NOT NULL"
		   " OR r.created OPERATOR(pg_catalog.>=) $1"
		   " ORDER BY r.created LIMIT 1",
	.nparams = 1,
	.param_types = {TIMESTAMPTZOID}
};

/* Argument of the SubtransactionWork. */
typedef struct Expiring
{
	TimestampTz before;
	int			skip;
	int			limit;
	int			count;
} Expiring;

static void expire(void *expiring);

ErrorData *
pgnet_responses_try_expire(TimestampTz before, int skip, int limit, int *count)
{
	Expiring	expiring = {.before = before, .skip = skip, .limit = limit};
	ErrorData  *error = pgnet_subtransaction_try(expire, &expiring,
												 PGNET_SUBTRANSACTION_KEEP);

	*count = expiring.count;
	return error;
}

/* SubtransactionWork of pgnet_responses_try_expire(). */
static void
expire(void *arg)
{
	Expiring   *expiring = arg;
	StatementSession session;
	Datum		values[] = {
		TimestampTzGetDatum(expiring->before),
		Int64GetDatum(expiring->limit),
		Int64GetDatum(expiring->skip)
	};

	pgnet_statement_begin(&session, PGNET_AS_OWNER | PGNET_SPI);
	expiring->count = pgnet_statement_run(&session, &expire_responses, values,
										  NULL);
	pgnet_statement_end(&session);
}

bool
pgnet_responses_oldest(TimestampTz before, TimestampTz *created)
{
	Datum		since = TimestampTzGetDatum(before);
	StatementSession session;
	bool		null = true;
	Datum		value;

	pgnet_statement_begin(&session, PGNET_AS_OWNER);
	if (pgnet_statement_run(&session, &oldest_response, &since, NULL) == 1)
	{
		value = pgnet_statement_datum(&session, 0, 1, &null);
		if (!null)
			*created = DatumGetTimestampTz(value);
	}
	pgnet_statement_end(&session);
	return !null;
}
