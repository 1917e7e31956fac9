/*
 * template.c -- requests that came with a database as it was copied.
 *
 * Runs in: workers.
 *
 * CREATE DATABASE copies rows with their xmin, and nobody can write to the new
 * database before the transaction that creates it has ended.  So copied rows
 * are those with an xmin that is older than this transaction.
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "tables/recovery/template.h"
#include "tables/statement.h"

static PreparedStatement remove_older = {
	.sql = "DELETE FROM ONLY net.http_request_queue AS q"
		   " WHERE pg_catalog.age(q.xmin)"
		   " OPERATOR(pg_catalog.>) pg_catalog.age($1)",
	.nparams = 1,
	.param_types = {XIDOID}
};

int
pgnet_copied_rows_remove(TransactionId made_by)
{
	StatementSession session;
	Datum		value = TransactionIdGetDatum(made_by);
	int			count;

	pgnet_statement_begin(&session, PGNET_AS_OWNER);
	count = pgnet_statement_run(&session, &remove_older, &value, NULL);
	pgnet_statement_end(&session);
	return count;
}
