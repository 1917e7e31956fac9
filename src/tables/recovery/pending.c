/*
 * pending.c -- what is left to do in a database without a worker.
 *
 * Runs in: probes.
 */
#include "postgres.h"

#include "tables/recovery/crash_count.h"
#include "tables/recovery/pending.h"
#include "tables/responses/expire.h"
#include "tables/statement.h"

static PreparedStatement find_request = {
	.sql = "SELECT FROM ONLY net.http_request_queue AS q WHERE q.due IS NULL"
		   " OR q.due OPERATOR(pg_catalog.<=) pg_catalog.now() LIMIT 1",
};

static PreparedStatement find_due = {
	.sql = "SELECT pg_catalog.min(q.due) FROM ONLY net.http_request_queue AS q",
};

void
pgnet_pending_work_find(PendingWork *pending)
{
	StatementSession session;
	CrashCount	count;

	pgnet_statement_begin(&session, PGNET_AS_OWNER);
	pending->requests =
		pgnet_statement_run(&session, &find_request, NULL, NULL) > 0;
	pending->next_due = DT_NOEND;
	if (pgnet_statement_run(&session, &find_due, NULL, NULL) > 0)
		pending->next_due = pgnet_statement_int64(&session, 0, 1, DT_NOEND);
	pgnet_statement_end(&session);
	if (!pgnet_responses_oldest(DT_NOBEGIN, &pending->oldest_response))
		pending->oldest_response = DT_NOEND;
	if (!pending->requests)
		pgnet_crash_count_begin(false, true, &count);
}
