/*
 * wakeup.c -- telling the worker, at commit, that there are new rows.
 *
 * Runs in: every process that queues requests.
 *
 * Commit order is not the order of ids: a transaction may commit a low id after
 * others committed higher ones, and a worker that reads on from the highest id
 * it saw would never find it.  So each transaction remembers the lowest id it
 * queued, and at commit lowers lowest_new_id to it; there the worker reads on.
 */
#include "postgres.h"

#include "access/xact.h"

#include "shared/inbox.h"
#include "shared/registry.h"
#include "shared/wakeup.h"

/*
 * Of the current transaction.  The id of a subtransaction that was rolled back
 * is not removed: the worker reads from there in vain.
 */
static int64 lowest_queued = PGNET_NOTHING_NEW;
static bool rows_changed = false;
static bool prepare_named = false;

static DatabaseState *own = NULL;
static bool callback_registered = false;

static void prepare_callback(void);
static void forget_transaction(void);
static void at_transaction_end(XactEvent event, void *arg);

void
pgnet_wakeup_at_commit(int64 id)
{
	prepare_callback();
	if (id < lowest_queued)
		lowest_queued = id;
}

void
pgnet_wakeup_changed_at_commit(void)
{
	prepare_callback();
	rows_changed = true;
}

void
pgnet_wakeup_set_prepare_named(bool named)
{
	prepare_named = named;
}

void
pgnet_wakeup_pending(int64 *lowest_id, bool *changed)
{
	*lowest_id = lowest_queued;
	*changed = rows_changed;
}

/* Register the callback below, unless this process has done so. */
static void
prepare_callback(void)
{
	/* once a process: callbacks stay, and each would cost every commit */
	if (!callback_registered)
	{
		RegisterXactCallback(at_transaction_end, NULL);
		callback_registered = true;
	}
	if (own == NULL)
		own = pgnet_registry_own();
}

/*
 * Announce what a committed transaction queued.  At XACT_EVENT_COMMIT its rows
 * are visible to others (xact.c calls ProcArrayEndTransaction before).  A
 * prepared transaction is announced when it is committed: see prepared.c.
 */
static void
at_transaction_end(XactEvent event, void *arg)
{
	(void) arg;
	switch (event)
	{
		case XACT_EVENT_COMMIT:
			if (lowest_queued != PGNET_NOTHING_NEW)
				pgnet_inbox_announce(own, lowest_queued);
			if (rows_changed)
				pgnet_inbox_announce_changed(own);
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
			break;
		case XACT_EVENT_PRE_PREPARE:
			if (!prepare_named &&
				(lowest_queued != PGNET_NOTHING_NEW || rows_changed))
				own->prepared_unnamed = true;
			break;
	}
}

static void
forget_transaction(void)
{
	lowest_queued = PGNET_NOTHING_NEW;
	rows_changed = false;
}
