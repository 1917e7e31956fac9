/*
 * database_ddl.c -- keeping workers out of databases during DDL on them.
 *
 * Runs in: client backends.
 *
 * A database cannot be dropped, renamed, moved or copied while anybody is
 * connected to it.  Before one of these statements runs, its workers are
 * blocked: the worker leaves, and no other starts until the transaction ends.
 */
#include "postgres.h"

#include <signal.h>

#include "access/htup_details.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "miscadmin.h"
#include "storage/condition_variable.h"
#include "storage/procarray.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "clock.h"
#include "compat.h"
#include "shared/callback_state.h"
#include "shared/database_ddl.h"
#include "shared/launcher_state.h"
#include "shared/registry.h"

/*
 * A worker leaves within a second, unless one of its transactions takes long
 * (tables/transaction.c).  PostgreSQL itself waits for 5 s after that.
 */
#define LONGEST_WAIT_MS 10000

/* How long its process may take to exit after it released its state. */
#define LAST_MOMENT_MS 1000

/* DatabaseStates that this transaction blocks; NULL: a place for one. */
static List *blocked = NIL;

/* This transaction creates, drops or changes a database. */
static bool changes_databases = false;

/* The database it creates as a copy of one that pg_net knows. */
static Oid	copy = InvalidOid;
static TransactionId copy_made_by = InvalidTransactionId;

static bool callback_registered = false;
static ProcessUtility_hook_type previous_utility_hook = NULL;

static void watch_utility(PlannedStmt *statement, const char *query_string,
						  bool read_only_tree, ProcessUtilityContext context,
						  ParamListInfo params, QueryEnvironment *environment,
						  DestReceiver *dest, QueryCompletion *completion);
static void note_copy(const CreatedbStmt *statement);
static bool is_about_databases(Node *statement, Oid *to_block);
static Oid	own_database(const char *name);
static Oid	template_of(const CreatedbStmt *statement);
static bool may_create_databases(void);
static const char *option_of(List *options, const char *name);
static bool block_workers(Oid database);
static void wait_for_worker(DatabaseState *state);
static bool is_served(DatabaseState *state);
static bool is_connected(pid_t pid);
static void at_transaction_end(XactEvent event, void *arg);

void
pgnet_database_ddl_init(void)
{
	previous_utility_hook = ProcessUtility_hook;
	ProcessUtility_hook = watch_utility;
}

/* ProcessUtility_hook */
static void
watch_utility(PlannedStmt *statement, const char *query_string,
			  bool read_only_tree, ProcessUtilityContext context,
			  ParamListInfo params, QueryEnvironment *environment,
			  DestReceiver *dest, QueryCompletion *completion)
{
	bool		copies = false;
	Oid			to_block;

	if (is_about_databases(statement->utilityStmt, &to_block) &&
		!RecoveryInProgress())
	{
		/* once a process: callbacks stay, and each would cost every commit */
		if (!callback_registered)
		{
			RegisterXactCallback(at_transaction_end, NULL);
			callback_registered = true;
		}
		changes_databases = true;
		if (OidIsValid(to_block))
			copies = block_workers(to_block) &&
				IsA(statement->utilityStmt, CreatedbStmt);
	}
	if (previous_utility_hook)
		previous_utility_hook(statement, query_string, read_only_tree, context,
							  params, environment, dest, completion);
	else
		standard_ProcessUtility(statement, query_string, read_only_tree,
								context, params, environment, dest, completion);
	if (copies)
		note_copy((CreatedbStmt *) statement->utilityStmt);
}

/* A database was created from a template that may have requests queued. */
static void
note_copy(const CreatedbStmt *statement)
{
	copy = get_database_oid(statement->dbname, true);
	copy_made_by = GetTopTransactionIdIfAny();
}

/*
 * Does the statement create, drop or change a database, other than its
 * settings?  If so, *to_block is the database that nobody may be connected to;
 * InvalidOid if there is none, or if the current user lacks the privileges: a
 * statement that will fail must not make a worker leave.
 */
static bool
is_about_databases(Node *statement, Oid *to_block)
{
	*to_block = InvalidOid;
	switch (nodeTag(statement))
	{
		case T_CreatedbStmt:
			*to_block = template_of(castNode(CreatedbStmt, statement));
			return true;
		case T_DropdbStmt:
			*to_block = own_database(castNode(DropdbStmt, statement)->dbname);
			return true;
		case T_RenameStmt:
			if (castNode(RenameStmt, statement)->renameType != OBJECT_DATABASE)
				return false;
			*to_block = own_database(castNode(RenameStmt, statement)->subname);
			return true;
		case T_AlterDatabaseStmt:
			if (option_of(castNode(AlterDatabaseStmt, statement)->options,
						  "tablespace") != NULL)
				*to_block = own_database(
					castNode(AlterDatabaseStmt, statement)->dbname);
			return true;
		default:
			return false;
	}
}

/* A database by its name, if the current user owns it and is in another. */
static Oid
own_database(const char *name)
{
	Oid			database = get_database_oid(name, true);

	if (OidIsValid(database) && database != MyDatabaseId &&
		pgnet_owns_database(database, GetUserId()))
		return database;
	return InvalidOid;
}

/* The template, if the current user may copy it. */
static Oid
template_of(const CreatedbStmt *statement)
{
	const char *name = option_of(statement->options, "template");
	Oid			database;
	HeapTuple	tuple;
	bool		is_template;

	if (!may_create_databases())
		return InvalidOid;
	database = get_database_oid(name ? name : "template1", true);
	tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(database));
	if (!HeapTupleIsValid(tuple))
		return InvalidOid;
	is_template = ((Form_pg_database) GETSTRUCT(tuple))->datistemplate;
	ReleaseSysCache(tuple);
	if (is_template || pgnet_owns_database(database, GetUserId()))
		return database;
	return InvalidOid;
}

/* As have_createdb_privilege() of commands/dbcommands.c. */
static bool
may_create_databases(void)
{
	HeapTuple	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(GetUserId()));
	bool		may;

	if (!HeapTupleIsValid(tuple))
		return false;
	may = superuser() || ((Form_pg_authid) GETSTRUCT(tuple))->rolcreatedb;
	ReleaseSysCache(tuple);
	return may;
}

static const char *
option_of(List *options, const char *name)
{
	ListCell   *cell;

	foreach(cell, options)
	{
		DefElem    *option = lfirst_node(DefElem, cell);

		if (strcmp(option->defname, name) == 0 && option->arg != NULL)
			return defGetString(option);
	}
	return NULL;
}

/*
 * Block workers until the transaction ends, and wait until the one that is
 * there has left.  Returns whether the database had a state before.
 */
static bool
block_workers(Oid database)
{
	DatabaseState *state;
	bool		is_new;
	MemoryContext before = MemoryContextSwitchTo(TopMemoryContext);

	/* allocate first: nothing may fail between blocking and noting it */
	blocked = lappend(blocked, NULL);
	MemoryContextSwitchTo(before);
	state = pgnet_registry_block_workers(database, &is_new);
	if (state == NULL)
		return false;
	llast(blocked) = state;
	wait_for_worker(state);
	return !is_new;
}

/*
 * Wait until the worker has released its state and its process is gone, which
 * takes a moment more; not longer than the limits above.
 */
static void
wait_for_worker(DatabaseState *state)
{
	static uint32 wait_event = 0;
	TimestampTz end = TimestampTzPlusMilliseconds(pgnet_clock_now(),
												  LONGEST_WAIT_MS);
	pid_t		pid = pgnet_database_snapshot(state).worker.pid;
	pid_t		callbacks = pgnet_callbacks_wake(state);
	long		left_ms = LONGEST_WAIT_MS;

	ConditionVariablePrepareToSleep(&state->changed);
	/* a call is rolled back, and made again later */
	if (callbacks != 0)
		kill(callbacks, SIGTERM);
	while (is_served(state) && left_ms > 0)
	{
		ConditionVariableTimedSleep(&state->changed, left_ms,
									pgnet_wait_event(&wait_event,
													 "PgNetWorkerExit"));
		left_ms = TimestampDifferenceMilliseconds(pgnet_clock_now(), end);
	}
	ConditionVariableCancelSleep();
	for (int i = 0; i < LAST_MOMENT_MS; i++)
	{
		if (!is_connected(pid) && !is_connected(callbacks))
			break;
		CHECK_FOR_INTERRUPTS();
		pg_usleep(1000);
	}
}

/* Has it a worker, or a process of callbacks, that has not left? */
static bool
is_served(DatabaseState *state)
{
	DatabaseSnapshot snapshot = pgnet_database_snapshot(state);

	return snapshot.worker.pid != 0 || snapshot.callbacks.pid != 0;
}

/* Is there still a process with that pid, unless it is 0? */
static bool
is_connected(pid_t pid)
{
	return pid != 0 && BackendPidGetProc(pid) != NULL;
}

/* XactCallback: unblock workers, and have the launcher read pg_database. */
static void
at_transaction_end(XactEvent event, void *arg)
{
	ListCell   *cell;

	(void) arg;
	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT &&
		event != XACT_EVENT_PREPARE)
		return;
	foreach(cell, blocked)
		if (lfirst(cell) != NULL)
			pgnet_registry_unblock_workers(lfirst(cell));
	list_free(blocked);
	blocked = NIL;
	if (event == XACT_EVENT_COMMIT && OidIsValid(copy))
		pgnet_registry_note_copy(copy, copy_made_by);
	copy = InvalidOid;
	if (event == XACT_EVENT_COMMIT && changes_databases)
		pgnet_launcher_note_databases_changed();
	changes_databases = false;
}
