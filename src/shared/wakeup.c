/*
 * wakeup.c -- telling the worker, at commit, that there are new rows.
 *
 * Runs in: every process that queues requests.
 *
 * Commit order is not the order of ids: a transaction may commit a low id
 * after others committed higher ones, and a worker that only ever looks
 * beyond the highest id it saw would never find it.  So each transaction
 * remembers the lowest id it queued, and its commit lowers the slot's
 * lowest_new_id to it; that is where the worker looks next.
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "tcop/utility.h"

#include "shared/slots.h"
#include "shared/wakeup.h"

/* Of the current transaction; a rolled back subtransaction's id may stay. */
static int64 lowest_queued = PGNET_NOTHING_NEW;
static bool rows_changed = false;
static WorkerSlot *slot_to_wake = NULL;

static bool callback_registered = false;
static ProcessUtility_hook_type previous_utility_hook = NULL;

static void prepare_callback(void);
static void forget_transaction(void);
static void at_transaction_end(XactEvent event, void *arg);
static void watch_utility(PlannedStmt *statement, const char *query_string,
						  bool read_only_tree, ProcessUtilityContext context,
						  ParamListInfo params, QueryEnvironment *environment,
						  DestReceiver *dest, QueryCompletion *completion);
static WorkerSlot *slot_of_extension(void);
static bool is_commit_prepared(Node *statement);

/* Hook into utility statements. */
void
pgnet_wakeup_init(void)
{
	previous_utility_hook = ProcessUtility_hook;
	ProcessUtility_hook = watch_utility;
}

/* Remember the lowest id. */
void
pgnet_wakeup_at_commit(int64 id)
{
	prepare_callback();
	if (id < lowest_queued)
		lowest_queued = id;
}

/* Remember that rows changed. */
void
pgnet_wakeup_changed_at_commit(void)
{
	prepare_callback();
	rows_changed = true;
}

/* Be called at the end of transactions. */
static void
prepare_callback(void)
{
	/* once a process: callbacks stay, and each would cost every commit */
	if (!callback_registered)
	{
		RegisterXactCallback(at_transaction_end, NULL);
		callback_registered = true;
	}
	if (slot_to_wake == NULL)
		slot_to_wake = pgnet_slot_get();
}

/*
 * Announce what a committed transaction queued.  At XACT_EVENT_COMMIT its rows
 * are visible to others (xact.c calls ProcArrayEndTransaction before).  A
 * prepared transaction is announced by watch_utility().
 */
static void
at_transaction_end(XactEvent event, void *arg)
{
	(void) arg;
	switch (event)
	{
		case XACT_EVENT_COMMIT:
			if (lowest_queued != PGNET_NOTHING_NEW)
				pgnet_slot_announce(slot_to_wake, lowest_queued);
			if (rows_changed)
				pgnet_slot_announce_changed(slot_to_wake);
			forget_transaction();
			break;
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			forget_transaction();
			break;
		case XACT_EVENT_PARALLEL_COMMIT:
		case XACT_EVENT_PARALLEL_ABORT:
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PARALLEL_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			break;
	}
}

/* Nothing to announce. */
static void
forget_transaction(void)
{
	lowest_queued = PGNET_NOTHING_NEW;
	rows_changed = false;
}

/*
 * COMMIT PREPARED runs no transaction callback, and any session of the
 * database may issue it: let the worker look at everything after each.
 */
static void
watch_utility(PlannedStmt *statement, const char *query_string,
			  bool read_only_tree, ProcessUtilityContext context,
			  ParamListInfo params, QueryEnvironment *environment,
			  DestReceiver *dest, QueryCompletion *completion)
{
	WorkerSlot *slot = NULL;

	if (is_commit_prepared(statement->utilityStmt))
		slot = slot_of_extension();
	if (previous_utility_hook)
		previous_utility_hook(statement, query_string, read_only_tree, context,
							  params, environment, dest, completion);
	else
		standard_ProcessUtility(statement, query_string, read_only_tree,
								context, params, environment, dest, completion);
	if (slot != NULL)
	{
		pgnet_slot_announce(slot, PGNET_LOOK_AT_ALL);
		pgnet_slot_announce_changed(slot);
	}
}

/*
 * The slot of this database, or NULL when pg_net is not here.  It may have
 * none yet: what is prepared may be older than the server's start.
 */
static WorkerSlot *
slot_of_extension(void)
{
	WorkerSlot *slot = pgnet_slot_find();

	if (slot == NULL && OidIsValid(get_extension_oid("pg_net", true)))
		slot = pgnet_slot_get();
	return slot;
}

/* Is this statement COMMIT PREPARED? */
static bool
is_commit_prepared(Node *statement)
{
	return IsA(statement, TransactionStmt) &&
		((TransactionStmt *) statement)->kind == TRANS_STMT_COMMIT_PREPARED;
}
