/*
 * transaction.c -- the short transactions of the worker.
 *
 * Runs in: workers and probes.
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/trigger.h"
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
 * How long a transaction may take, and how long it may wait for the lock of a
 * row.  They are reached only if a trigger of a user sleeps, or if somebody's
 * transaction has locked rows: one such row must not hold up all others.
 */
#define TRANSACTION_TIMEOUT_MS 10000
#define LOCK_TIMEOUT "100ms"

/*
 * disable_timeout() leaves the interval timer running for the next timeout
 * (utils/misc/timeout.c), and its signal would wake an idle worker for nothing.
 * This long after the last transaction we have it fire at once instead.
 */
#define SETTLE_AFTER_US 100000

/* The memory context in which the transaction was begun. */
static MemoryContext caller_context;

/* When to do that; DT_NOBEGIN: time has to be taken, DT_NOEND: done. */
static TimestampTz settle_due = DT_NOEND;
static TimeoutId settle_timeout;

static void settled(void);
static void make_constraints_immediate(void);

/*
 * As autovacuum does (postmaster/autovacuum.c).  The planner settings keep our
 * statements on their indexes whatever the statistics say: after a burst the
 * tables consist mostly of dead rows.
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

	static bool prepared = false;

	if (prepared)
		return;
	prepared = true;
	settle_timeout = RegisterTimeout(USER_TIMEOUT, settled);
	for (int i = 0; i < (int) lengthof(fixed); i++)
		SetConfigOption(fixed[i][0], fixed[i][1], PGC_SUSET, PGC_S_OVERRIDE);
}

void
pgnet_transaction_begin(void)
{
	caller_context = CurrentMemoryContext;
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	make_constraints_immediate();
	enable_timeout_after(STATEMENT_TIMEOUT, TRANSACTION_TIMEOUT_MS);
	settle_due = DT_NOBEGIN;
	pgnet_statement_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
}

/*
 * Deferred triggers cannot fire where we act for somebody else: they would be
 * an error of the statement that defers them.
 */
static void
make_constraints_immediate(void)
{
	ConstraintsSetStmt all = {
		.type = T_ConstraintsSetStmt,
		.deferred = false
	};

	AfterTriggerSetState(&all);
}

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

void
pgnet_transaction_abort(void)
{
	disable_timeout(STATEMENT_TIMEOUT, false);
	QueryCancelPending = false;
	AbortCurrentTransaction();
	pgstat_report_stat(false);
	MemoryContextSwitchTo(caller_context);
}

void
pgnet_transaction_allow(int seconds)
{
	enable_timeout_after(STATEMENT_TIMEOUT, seconds * 1000);
}

bool
pgnet_is_transient_error(int sqlerrcode)
{
	int			category = ERRCODE_TO_CATEGORY(sqlerrcode);

	return sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE ||
		category == ERRCODE_INSUFFICIENT_RESOURCES ||
		category == ERRCODE_TRANSACTION_ROLLBACK ||
		category == ERRCODE_SYSTEM_ERROR;
}

TimestampTz
pgnet_transaction_settle_due(void)
{
	return settle_due;
}

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

/* Timeout handler: the signal was all that was wanted. */
static void
settled(void)
{
}
