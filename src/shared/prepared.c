/*
 * prepared.c -- what prepared transactions have queued.
 *
 * Runs in: client backends.
 *
 * PREPARE TRANSACTION ends the transaction of its session, and COMMIT PREPARED
 * and ROLLBACK PREPARED run no callbacks and may come from another session.
 * So what the transaction has queued is written down in shared memory, under
 * its name: what the worker is to be told, and whose quota it has.
 *
 * A server that starts knows nothing of those prepared before.  When one of
 * them ends, the worker looks at everything and counts anew.
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/twophase.h"
#include "access/xact.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "storage/lwlock.h"
#include "storage/procarray.h"
#include "tcop/utility.h"
#include "utils/memutils.h"

#include "shared/area.h"
#include "shared/inbox.h"
#include "shared/prepared.h"
#include "shared/quota.h"
#include "shared/registry.h"
#include "shared/wakeup.h"

typedef struct Prepared
{
	TransactionId xid;			/* invalid: the place is free */
	bool		done;			/* it is prepared, not just being prepared */
	char		name[GIDSIZE];
	Oid			database;
	int64		lowest_new;		/* as in wakeup.c */
	bool		rows_changed;
	int			ntaken;
	dsa_pointer taken;			/* QuotaTaken[] */
} Prepared;

typedef struct PreparedTransactions
{
	LWLock		lock;			/* of places */
	pg_atomic_uint32 count;		/* places in use */
	TransactionId horizon;		/* see the header */
	int			nplaces;
	Prepared	places[FLEXIBLE_ARRAY_MEMBER];
} PreparedTransactions;

static PreparedTransactions *all = NULL;

/* Of the current transaction. */
static char name[GIDSIZE];
static Prepared *mine = NULL;

static ProcessUtility_hook_type previous_utility_hook = NULL;

static void watch_utility(PlannedStmt *statement, const char *query_string,
						  bool read_only_tree, ProcessUtilityContext context,
						  ParamListInfo params, QueryEnvironment *environment,
						  DestReceiver *dest, QueryCompletion *completion);
static const TransactionStmt *about_prepared(Node *statement);
static void note_name(const char *given);
static void at_transaction_end(XactEvent event, void *arg);
static void write_down(void);
static Prepared *free_place(void);
static Prepared *find(const char *given, TransactionId *xid);
static void finish(Prepared *place, TransactionId xid, bool commit);
static void give_back(const Prepared *from);
static bool may_be_unknown(void);
static void look_at_all(void);

void
pgnet_prepared_init(void)
{
	previous_utility_hook = ProcessUtility_hook;
	ProcessUtility_hook = watch_utility;
}

/* Room for twice as many as can be prepared: others are just ending. */
Size
pgnet_prepared_memory_size(void)
{
	return offsetof(PreparedTransactions, places) +
		sizeof(Prepared) * 2 * max_prepared_xacts;
}

void
pgnet_prepared_memory_init(void *memory, int lock_tranche)
{
	all = memory;
	memset(all, 0, pgnet_prepared_memory_size());
	LWLockInitialize(&all->lock, lock_tranche);
	pg_atomic_init_u32(&all->count, 0);
	all->horizon = InvalidTransactionId;
	all->nplaces = 2 * max_prepared_xacts;
}

TransactionId
pgnet_prepared_horizon(void)
{
	return all->horizon;
}

/* Transactions that are prepared from now on have higher ids. */
void
pgnet_prepared_set_horizon(void)
{
	if (!TransactionIdIsValid(all->horizon))
		all->horizon = ReadNextTransactionId();
}

void
pgnet_prepared_all_known(void)
{
	DatabaseState *own = pgnet_registry_find_own();

	if (own != NULL)
		own->prepared_known = true;
}

/* ProcessUtility_hook */
static void
watch_utility(PlannedStmt *statement, const char *query_string,
			  bool read_only_tree, ProcessUtilityContext context,
			  ParamListInfo params, QueryEnvironment *environment,
			  DestReceiver *dest, QueryCompletion *completion)
{
	const TransactionStmt *about = about_prepared(statement->utilityStmt);
	bool		ends = about != NULL && about->kind != TRANS_STMT_PREPARE;
	TransactionId xid = InvalidTransactionId;
	Prepared   *place = NULL;
	bool		unknown = false;

	if (about != NULL && !ends)
		note_name(about->gid);
	if (ends)
	{
		place = find(about->gid, &xid);
		unknown = place == NULL && may_be_unknown();
	}
	if (previous_utility_hook)
		previous_utility_hook(statement, query_string, read_only_tree, context,
							  params, environment, dest, completion);
	else
		standard_ProcessUtility(statement, query_string, read_only_tree,
								context, params, environment, dest, completion);
	if (place != NULL)
		finish(place, xid, about->kind == TRANS_STMT_COMMIT_PREPARED);
	if (unknown)
		look_at_all();
}

/* The statement if it is about a prepared transaction, or NULL. */
static const TransactionStmt *
about_prepared(Node *statement)
{
	const TransactionStmt *transaction = (TransactionStmt *) statement;

	if (!IsA(statement, TransactionStmt) ||
		(transaction->kind != TRANS_STMT_PREPARE &&
		 transaction->kind != TRANS_STMT_COMMIT_PREPARED &&
		 transaction->kind != TRANS_STMT_ROLLBACK_PREPARED))
		return NULL;
	return transaction;
}

/* PREPARE TRANSACTION: keep the name for XACT_EVENT_PRE_PREPARE. */
static void
note_name(const char *given)
{
	static bool registered = false;

	if (!registered)
	{
		RegisterXactCallback(at_transaction_end, NULL);
		registered = true;
	}
	strlcpy(name, given, GIDSIZE);
	pgnet_wakeup_set_prepare_named(true);
}

/*
 * Write down what is queued before the transaction is prepared, which may yet
 * fail.  Nobody can end it before XACT_EVENT_PREPARE is over (xact.c).
 */
static void
at_transaction_end(XactEvent event, void *arg)
{
	(void) arg;
	switch (event)
	{
		case XACT_EVENT_PRE_PREPARE:
			if (name[0] != '\0')
				write_down();
			return;
		case XACT_EVENT_PREPARE:
			if (mine != NULL)
				mine->done = true;
			break;
		case XACT_EVENT_ABORT:
			if (mine != NULL)
			{
				LWLockAcquire(&all->lock, LW_EXCLUSIVE);
				mine->xid = InvalidTransactionId;
				LWLockRelease(&all->lock);
				pg_atomic_fetch_sub_u32(&all->count, 1);
				if (DsaPointerIsValid(mine->taken))
					dsa_free(pgnet_area(), mine->taken);
			}
			break;
		case XACT_EVENT_COMMIT:
			break;
		case XACT_EVENT_PARALLEL_COMMIT:
		case XACT_EVENT_PARALLEL_ABORT:
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PARALLEL_PRE_COMMIT:
			return;
	}
	name[0] = '\0';
	pgnet_wakeup_set_prepare_named(false);
	mine = NULL;
}

static void
write_down(void)
{
	Prepared	entry = {
		.xid = GetTopTransactionIdIfAny(),
		.database = MyDatabaseId,
		.taken = InvalidDsaPointer
	};
	QuotaTaken *taken;

	pgnet_wakeup_pending(&entry.lowest_new, &entry.rows_changed);
	entry.ntaken = pgnet_quota_taken(&taken);
	if (!TransactionIdIsValid(entry.xid) ||
		(entry.lowest_new == PGNET_NOTHING_NEW && !entry.rows_changed &&
		 entry.ntaken == 0))
		return;
	strlcpy(entry.name, name, GIDSIZE);
	if (entry.ntaken > 0)
	{
		Size		size = sizeof(QuotaTaken) * entry.ntaken;

		entry.taken = dsa_allocate(pgnet_area(), size);
		memcpy(dsa_get_address(pgnet_area(), entry.taken), taken, size);
	}

	LWLockAcquire(&all->lock, LW_EXCLUSIVE);
	mine = free_place();
	if (mine != NULL)
		*mine = entry;
	LWLockRelease(&all->lock);
	if (mine != NULL)
		pg_atomic_fetch_add_u32(&all->count, 1);
	else
	{
		if (DsaPointerIsValid(entry.taken))
			dsa_free(pgnet_area(), entry.taken);
		pgnet_registry_own()->prepared_unnamed = true;
	}
}

/* NULL if all are in use.  The caller holds the lock. */
static Prepared *
free_place(void)
{
	for (int i = 0; i < all->nplaces; i++)
		if (!TransactionIdIsValid(all->places[i].xid))
			return &all->places[i];
	return NULL;
}

/* The entry of a prepared transaction of our database, or NULL. */
static Prepared *
find(const char *given, TransactionId *xid)
{
	Prepared   *found = NULL;

	if (pg_atomic_read_u32(&all->count) == 0)
		return NULL;
	LWLockAcquire(&all->lock, LW_SHARED);
	for (int i = 0; i < all->nplaces && found == NULL; i++)
	{
		Prepared   *place = &all->places[i];

		/* one of the same name may have ended while pg_net was not loaded */
		if (TransactionIdIsValid(place->xid) && place->done &&
			place->database == MyDatabaseId &&
			strcmp(place->name, given) == 0 &&
			TransactionIdIsInProgress(place->xid))
			found = place;
	}
	if (found != NULL)
		*xid = found->xid;
	LWLockRelease(&all->lock);
	return found;
}

/* It was committed or rolled back: do what the transaction would have done. */
static void
finish(Prepared *place, TransactionId xid, bool commit)
{
	Prepared	entry = {.xid = InvalidTransactionId};

	LWLockAcquire(&all->lock, LW_EXCLUSIVE);
	if (place->xid == xid)
	{
		entry = *place;
		place->xid = InvalidTransactionId;
	}
	LWLockRelease(&all->lock);
	if (!TransactionIdIsValid(entry.xid))
		return;
	pg_atomic_fetch_sub_u32(&all->count, 1);

	if (commit && entry.lowest_new != PGNET_NOTHING_NEW)
		pgnet_inbox_announce(pgnet_registry_own(), entry.lowest_new);
	if (commit && entry.rows_changed)
		pgnet_inbox_announce_changed(pgnet_registry_own());
	if (!commit)
		give_back(&entry);
	if (DsaPointerIsValid(entry.taken))
		dsa_free(pgnet_area(), entry.taken);
}

static void
give_back(const Prepared *from)
{
	const QuotaTaken *taken;

	if (from->ntaken == 0)
		return;
	taken = dsa_get_address(pgnet_area(), from->taken);
	for (int i = 0; i < from->ntaken; i++)
		pgnet_quota_give(taken[i].role, taken[i].rows, taken[i].bytes);
}

/* May a transaction that has no entry have queued something? */
static bool
may_be_unknown(void)
{
	DatabaseState *own = pgnet_registry_find_own();

	if (own == NULL)
		return OidIsValid(get_extension_oid("pg_net", true));
	return !own->prepared_known || own->prepared_unnamed;
}

/* Have the worker read the whole queue, and count the quotas anew. */
static void
look_at_all(void)
{
	DatabaseState *own = pgnet_registry_own();

	pgnet_inbox_announce_changed(own);
	pgnet_inbox_announce(own, PGNET_LOOK_AT_ALL);
}
