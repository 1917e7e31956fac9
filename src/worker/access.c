/*
 * access.c -- the worker's access to the tables.
 *
 * Runs in: workers.
 *
 * People drop, lock, rename and break tables.  Whatever they do, the worker
 * goes on driving the network, says once what is wrong, and tries again.
 */
#include "postgres.h"

#include "utils/elog.h"
#include "utils/timestamp.h"

#include "tables/catalog.h"
#include "tables/transaction.h"
#include "worker/access.h"

/* Stay away so long at first, then twice as long each time, up to the last. */
#define FIRST_RETRY_MS 50
#define LAST_RETRY_MS 10000

static bool is_served(TableAccess *access);
static void say_missing(TableAccess *access);

/* Work on the tables. */
bool
pgnet_access_run(TableAccess *access, TableWork work, void *arg)
{
	volatile bool done = false;

	pgnet_transaction_begin();
	PG_TRY();
	{
		if (is_served(access))
		{
			work(arg);
			done = true;
		}
		pgnet_transaction_commit();
	}
	PG_CATCH();
	{
		/* in the log once as what it is, but the worker lives on */
		if (access->retry_ms == 0)
			EmitErrorReport();
		FlushErrorState();
		pgnet_transaction_abort();
		pgnet_access_back_off(access);
		return false;
	}
	PG_END_TRY();
	if (done)
		pgnet_access_succeeded(access);
	return done;
}

/* Is it time? */
bool
pgnet_access_allowed(const TableAccess *access, TimestampTz now)
{
	return access->retry_ms == 0 || now >= access->retry_at;
}

/* Not now. */
void
pgnet_access_back_off(TableAccess *access)
{
	if (access->retry_ms == 0)
		access->retry_ms = FIRST_RETRY_MS;
	else
		access->retry_ms = Min(access->retry_ms * 2, LAST_RETRY_MS);
	access->retry_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
												   access->retry_ms);
}

/* It worked. */
void
pgnet_access_succeeded(TableAccess *access)
{
	access->retry_ms = 0;
}

/* Are these the tables we know, and are they ours now? */
static bool
is_served(TableAccess *access)
{
	TablesState state = pgnet_catalog_lock_tables();
	Oid			queue = InvalidOid;

	if (state != PGNET_TABLES_MISSING)
		queue = pgnet_catalog_queue();
	if (queue != access->queue && state != PGNET_TABLES_BUSY)
	{
		access->queue = queue;
		access->changed = true;
	}
	switch (state)
	{
		case PGNET_TABLES_LOCKED:
			access->said_missing = false;
			return !access->changed;
		case PGNET_TABLES_BUSY:
			pgnet_access_back_off(access);
			return false;
		case PGNET_TABLES_MISSING:
			say_missing(access);
			return false;
	}
	return false;
}

/* Tell the log once why nothing is sent. */
static void
say_missing(TableAccess *access)
{
	if (!access->said_missing)
		ereport(LOG,
				errmsg("pg_net worker is idle: extension \"pg_net\" is not in this database"),
				errhint("Run CREATE EXTENSION pg_net in the database pg_net.database_name names."));
	access->said_missing = true;
}
