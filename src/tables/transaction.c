/*
 * transaction.c -- the short transactions the worker lives by.
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timeout.h"

#include "compat.h"
#include "tables/statement.h"
#include "tables/transaction.h"

/*
 * How long one of our transactions may take, and how long it may wait for a
 * row somebody holds.  Both only ever matter when a user's trigger sleeps or
 * a user's transaction holds rows: without a bound, one such row would stop
 * all others.
 */
#define TRANSACTION_TIMEOUT_MS 10000
#define LOCK_TIMEOUT "100ms"

/*
 * A timeout that was disabled leaves its timer running, for the next one
 * (utils/misc/timeout.c): it would wake a worker that sleeps, for nothing.  So
 * some time after the last transaction it is made to ring at once.
 */
#define SETTLE_AFTER_US 100000

/* Where the caller's memory was when the transaction began. */
static MemoryContext caller_context;

/* When to settle; DT_NOBEGIN: some time from now, DT_NOEND: it is done. */
static TimestampTz settle_due = DT_NOEND;
static TimeoutId settle_timeout;

static void settled(void);

/*
 * Set what the server's configuration must not decide for the worker, as
 * autovacuum does (postmaster/autovacuum.c).  The planner settings keep our
 * statements on their indexes whatever the statistics say: after a burst
 * the tables are mostly dead rows.
 */
void
pgnet_transaction_prepare_session(void)
{
	static const char *const fixed[][2] = {
		{"default_transaction_isolation", "read committed"},
		{"default_transaction_read_only", "off"},
		{"enable_bitmapscan", "off"},
		{"enable_seqscan", "off"},
		{"idle_in_transaction_session_timeout", "0"},
		{"jit", "off"},
		{"lock_timeout", LOCK_TIMEOUT},
		{"plan_cache_mode", "force_generic_plan"},
		{"search_path", "pg_catalog, pg_temp"},
		{"statement_timeout", "0"},
#ifdef PGNET_HAVE_TRANSACTION_TIMEOUT
		{"transaction_timeout", "0"},
#endif
	};

	settle_timeout = RegisterTimeout(USER_TIMEOUT, settled);
	for (int i = 0; i < (int) lengthof(fixed); i++)
		SetConfigOption(fixed[i][0], fixed[i][1], PGC_SUSET, PGC_S_OVERRIDE);
}

/* Begin a transaction with SPI connected and a snapshot taken. */
void
pgnet_transaction_begin(void)
{
	caller_context = CurrentMemoryContext;
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	enable_timeout_after(STATEMENT_TIMEOUT, TRANSACTION_TIMEOUT_MS);
	settle_due = DT_NOBEGIN;
	pgnet_statement_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
}

/* Commit it, and report its work to the statistics views. */
void
pgnet_transaction_commit(void)
{
	pgnet_statement_finish();
	PopActiveSnapshot();
	disable_timeout(STATEMENT_TIMEOUT, false);
	CommitTransactionCommand();
	pgstat_report_stat(false);
	MemoryContextSwitchTo(caller_context);
}

/* Leave a transaction after an error; the caller has the error already. */
void
pgnet_transaction_abort(void)
{
	disable_timeout(STATEMENT_TIMEOUT, false);
	QueryCancelPending = false;
	AbortCurrentTransaction();
	pgstat_report_stat(false);
	MemoryContextSwitchTo(caller_context);
}

/* Be more patient. */
void
pgnet_transaction_allow(int seconds)
{
	enable_timeout_after(STATEMENT_TIMEOUT, seconds * 1000);
}

/* Know trouble that passes. */
bool
pgnet_trouble_passes(int sqlerrcode)
{
	int			category = ERRCODE_TO_CATEGORY(sqlerrcode);

	return sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE ||
		category == ERRCODE_INSUFFICIENT_RESOURCES ||
		category == ERRCODE_TRANSACTION_ROLLBACK ||
		category == ERRCODE_SYSTEM_ERROR;
}

/* When to settle. */
TimestampTz
pgnet_transaction_settle_due(void)
{
	return settle_due;
}

/* Have the timer ring now, if it is time to. */
void
pgnet_transaction_settle(TimestampTz now)
{
	if (settle_due == DT_NOBEGIN)
		settle_due = now + SETTLE_AFTER_US;
	if (now < settle_due)
		return;
	settle_due = DT_NOEND;
	enable_timeout_after(settle_timeout, 1);
}

/* The timer rang.  Nothing is left to do. */
static void
settled(void)
{
}
