/*
 * table_guard.c -- work on tables that may be missing, locked or broken.
 *
 * Runs in: workers and probes.
 *
 * Users drop, lock, rename and break tables.  Whatever they do, the worker goes
 * on serving the network, logs once what is wrong, and tries again.
 */
#include "postgres.h"

#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "utils/elog.h"
#include "utils/lsyscache.h"

#include "tables/catalog.h"
#include "tables/transaction.h"
#include "worker/table_guard.h"

static GuardResult work_if_served(TableGuard *guard, TableWork work,
								  void *arg);
static void say_trouble(Backoff *backoff, const char *what,
						const ErrorData *error);
static void say_done(Backoff *backoff, const char *what);
static void say_apart(TableGuard *guard);
static void say_unusable(TableGuard *guard);
static void say_missing(TableGuard *guard);
static void say_usable(TableGuard *guard);

GuardResult
pgnet_table_guard_run(TableGuard *guard, TableWork work, void *arg,
					  ErrorData **error)
{
	MemoryContext caller_context = CurrentMemoryContext;
	volatile GuardResult result = PGNET_GUARD_FAILED;

	PG_TRY();
	{
		GuardResult tried;

		pgnet_transaction_begin();
		tried = work_if_served(guard, work, arg);
		pgnet_transaction_commit();
		result = tried;
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(caller_context);
		*error = CopyErrorData();
		FlushErrorState();
		pgnet_transaction_abort();
	}
	PG_END_TRY();
	return result;
}

bool
pgnet_table_guard_try(TableGuard *guard, Backoff *backoff, const char *what,
					  TableWork work, void *arg)
{
	ErrorData  *error = NULL;

	switch (pgnet_table_guard_run(guard, work, arg, &error))
	{
		case PGNET_GUARD_DONE:
			pgnet_backoff_succeeded(backoff);
			say_done(backoff, what);
			return true;
		case PGNET_GUARD_GONE:
			return false;
		case PGNET_GUARD_BUSY:
			break;
		case PGNET_GUARD_FAILED:
			say_trouble(backoff, what, error);
			FreeErrorData(error);
			break;
	}
	pgnet_backoff_failed(backoff);
	return false;
}

/* Once for a series of failures. */
static void
say_trouble(Backoff *backoff, const char *what, const ErrorData *error)
{
	if (!backoff->logged)
		ereport(WARNING,
				errcode(error->sqlerrcode),
				errmsg("pg_net could not %s: %s", what, error->message),
				errdetail("The worker retries until it succeeds."),
				error->context ? errcontext("%s", error->context) : 0);
	backoff->logged = true;
}

static void
say_done(Backoff *backoff, const char *what)
{
	if (backoff->logged)
		ereport(LOG, errmsg("pg_net can %s again", what));
	backoff->logged = false;
}

/* Call work if the tables are the ones we know, and can be locked. */
static GuardResult
work_if_served(TableGuard *guard, TableWork work, void *arg)
{
	Oid			queue;
	TablesState state = pgnet_catalog_lock_tables(&queue);

	guard->missing = state == PGNET_TABLES_MISSING;
	if (state == PGNET_TABLES_APART)
		say_apart(guard);
	if (state == PGNET_TABLES_UNUSABLE)
		say_unusable(guard);
	if (state == PGNET_TABLES_BUSY || state == PGNET_TABLES_APART ||
		state == PGNET_TABLES_UNUSABLE)
		return PGNET_GUARD_BUSY;
	if (queue != guard->queue)
	{
		guard->queue = queue;
		guard->changed = true;
	}
	if (guard->missing)
		say_missing(guard);
	else
		say_usable(guard);
	if (guard->missing || guard->changed)
		return PGNET_GUARD_GONE;
	work(arg);
	return PGNET_GUARD_DONE;
}

/*
 * A table that somebody renamed may get its name back: what is known of its
 * rows is kept.
 */
static void
say_apart(TableGuard *guard)
{
	if (!guard->said_missing)
		ereport(WARNING,
				errcode(ERRCODE_UNDEFINED_TABLE),
				errmsg("pg_net worker is waiting: a table of extension \"pg_net\" is missing"),
				errhint("Restore the names of net.http_request_queue and net._http_response, or recreate the extension."));
	guard->said_missing = true;
}

static void
say_unusable(TableGuard *guard)
{
	const char *table;
	const char *column = pgnet_catalog_unusable_column(&table);

	if (!guard->said_missing)
		ereport(WARNING,
				errcode(ERRCODE_UNDEFINED_COLUMN),
				errmsg("pg_net worker is waiting: column \"%s\" of net.%s is missing or has the wrong type",
					   column, table),
				errhint("Restore the name and type of the column, or recreate the extension."));
	guard->said_missing = true;
}

static void
say_missing(TableGuard *guard)
{
	if (guard->said_missing || guard->quiet)
		return;
	ereport(LOG,
			errmsg("pg_net worker is idle: extension \"pg_net\" is not installed in database \"%s\"",
				   get_database_name(MyDatabaseId)),
			errhint("Run CREATE EXTENSION pg_net there if that database should send requests. Databases with the extension need not be listed in pg_net.database_name."));
	guard->said_missing = true;
}

static void
say_usable(TableGuard *guard)
{
	if (guard->said_missing)
		ereport(LOG,
				errmsg("pg_net worker goes on: the tables of extension \"pg_net\" can be used"));
	guard->said_missing = false;
}
