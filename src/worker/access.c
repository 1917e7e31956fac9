/*
 * access.c -- the worker's access to the tables.
 *
 * Runs in: workers.
 *
 * People drop, lock, rename and break tables.  Whatever they do, the worker
 * goes on driving the network, says once what is wrong, and tries again.
 */
#include "postgres.h"

#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "utils/elog.h"
#include "utils/lsyscache.h"

#include "tables/catalog.h"
#include "tables/transaction.h"
#include "worker/access.h"

static AccessResult work_if_served(TableAccess *access, TableWork work,
								   void *arg);
static void say_apart(TableAccess *access);
static void say_misshapen(TableAccess *access);
static void say_missing(TableAccess *access);

/* Work on the tables. */
AccessResult
pgnet_access_run(TableAccess *access, TableWork work, void *arg,
				 ErrorData **error)
{
	MemoryContext caller_context = CurrentMemoryContext;
	volatile AccessResult result = PGNET_ACCESS_FAILED;

	PG_TRY();
	{
		AccessResult tried;

		pgnet_transaction_begin();
		tried = work_if_served(access, work, arg);
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

/* Work on the tables, and pause if that does not succeed. */
bool
pgnet_access_try(TableAccess *access, Backoff *backoff, const char *what,
				 TableWork work, void *arg)
{
	ErrorData  *error = NULL;

	switch (pgnet_access_run(access, work, arg, &error))
	{
		case PGNET_ACCESS_DONE:
			pgnet_backoff_succeeded(backoff);
			return true;
		case PGNET_ACCESS_GONE:
			return false;
		case PGNET_ACCESS_BUSY:
			break;
		case PGNET_ACCESS_FAILED:
			if (backoff->pause_ms == 0)
				ereport(WARNING,
						errcode(error->sqlerrcode),
						errmsg("pg_net could not %s: %s", what, error->message),
						errdetail("The worker retries until it succeeds."),
						error->context ? errcontext("%s", error->context) : 0);
			FreeErrorData(error);
			break;
	}
	pgnet_backoff_failed(backoff);
	return false;
}

/* Do work if the tables are there, are those we know, and can be locked. */
static AccessResult
work_if_served(TableAccess *access, TableWork work, void *arg)
{
	Oid			queue;
	TablesState state = pgnet_catalog_lock_tables(&queue);

	access->missing = state == PGNET_TABLES_MISSING;
	if (state == PGNET_TABLES_APART)
		say_apart(access);
	if (state == PGNET_TABLES_MISSHAPEN)
		say_misshapen(access);
	if (state == PGNET_TABLES_BUSY || state == PGNET_TABLES_APART ||
		state == PGNET_TABLES_MISSHAPEN)
		return PGNET_ACCESS_BUSY;
	if (queue != access->queue)
	{
		access->queue = queue;
		access->changed = true;
	}
	if (access->missing)
		say_missing(access);
	else
		access->said_missing = false;
	if (access->missing || access->changed)
		return PGNET_ACCESS_GONE;
	work(arg);
	return PGNET_ACCESS_DONE;
}

/*
 * Tell the log once why nothing is sent.  Whoever renamed a table may rename
 * it back: what is known of its rows stays.
 */
static void
say_apart(TableAccess *access)
{
	if (!access->said_missing)
		ereport(WARNING,
				errcode(ERRCODE_UNDEFINED_TABLE),
				errmsg("pg_net worker is waiting: a table of extension \"pg_net\" is missing"),
				errhint("Restore the names of net.http_request_queue and net._http_response, or recreate the extension."));
	access->said_missing = true;
}

/* The same for a column. */
static void
say_misshapen(TableAccess *access)
{
	const char *table;
	const char *column = pgnet_catalog_misfit(&table);

	if (!access->said_missing)
		ereport(WARNING,
				errcode(ERRCODE_UNDEFINED_COLUMN),
				errmsg("pg_net worker is waiting: column \"%s\" of net.%s is missing or has the wrong type",
					   column, table),
				errhint("Restore the name and type of the column, or recreate the extension."));
	access->said_missing = true;
}

/* Tell the log once why nothing is sent. */
static void
say_missing(TableAccess *access)
{
	if (!access->said_missing && !access->quiet)
		ereport(LOG,
				errmsg("pg_net worker is idle: extension \"pg_net\" is not installed in database \"%s\"",
					   get_database_name(MyDatabaseId)),
				errhint("Run CREATE EXTENSION pg_net there if that database should send requests. Databases with the extension need not be listed in pg_net.database_name."));
	access->said_missing = true;
}
