/*
 * support.c -- what the SQL functions have in common.
 *
 * Runs in: client backends.
 */
#include "postgres.h"

#include "commands/dbcommands.h"
#include "miscadmin.h"

#include "api/support.h"
#include "settings.h"

#define WORKER_NOT_UP "the pg_net background worker is not up"

static bool is_named_database(void);

/* Is the library preloaded? */
void
pgnet_require_preloaded(void)
{
	if (!pgnet_slots_available())
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("pg_net must be loaded via shared_preload_libraries"),
				errhint("Add pg_net to shared_preload_libraries in postgresql.conf and restart the server."));
}

/* Does a worker serve this database? */
WorkerSlot *
pgnet_require_served(void)
{
	WorkerSlot *slot;

	pgnet_require_preloaded();
	slot = pgnet_slot_find(MyDatabaseId);
	if ((slot == NULL || !pgnet_slot_is_ready(slot)) && !is_named_database())
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("pg_net does not serve database \"%s\"",
					   get_database_name(MyDatabaseId)),
				errdetail("It serves database \"%s\".",
						  pgnet_setting_database_name),
				errhint("Set pg_net.database_name to this database and call net.worker_restart()."));
	return slot ? slot : pgnet_slot_get(MyDatabaseId);
}

/* Is the worker at work? */
void
pgnet_require_worker(void)
{
	WorkerSlot *slot;

	pgnet_require_preloaded();
	slot = pgnet_slot_find(MyDatabaseId);
	if (slot != NULL && pgnet_slot_is_ready(slot))
		return;
	if (is_named_database())
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg(WORKER_NOT_UP),
				errdetail("Requests are queued and will be sent when it is."),
				errhint("The server's log says why it does not start. Call net.worker_restart() when that is mended."));
	ereport(ERROR,
			errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			errmsg(WORKER_NOT_UP),
			errdetail("It serves database \"%s\", not this one.",
					  pgnet_setting_database_name),
			errhint("Set pg_net.database_name to this database and call net.worker_restart()."));
}

/* Is this the database the setting names? */
static bool
is_named_database(void)
{
	const char *name = get_database_name(MyDatabaseId);

	return name != NULL && strcmp(name, pgnet_setting_database_name) == 0;
}
