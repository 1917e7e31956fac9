/*
 * registry.c -- which database has which state.
 *
 * Runs in: every process.
 *
 * A process keeps a pointer to the state of its own database only, and nobody
 * is connected to a database that was dropped: so its state can be reused.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/lwlock.h"

#include "shared/launcher_state.h"
#include "shared/registry.h"
#include "shared/stats.h"

/* Databases that can have a state at once; some 700 bytes each. */
#define MAX_DATABASES 4096

typedef struct Registry
{
	LWLock		lock;			/* protects count and databases[].database */
	int			count;			/* how many were ever allocated */
	DatabaseState databases[MAX_DATABASES];
} Registry;

static Registry *registry = NULL;

static DatabaseState *allocate(Oid oid);
static DatabaseState *find(Oid oid);

Size
pgnet_registry_memory_size(void)
{
	return sizeof(Registry);
}

void
pgnet_registry_memory_init(void *memory, int lock_tranche)
{
	registry = memory;
	LWLockInitialize(&registry->lock, lock_tranche);
	registry->count = 0;
}

bool
pgnet_registry_available(void)
{
	return registry != NULL;
}

DatabaseState *
pgnet_registry_own(void)
{
	DatabaseState *database = pgnet_registry_find_own();

	if (database != NULL)
		return database;
	LWLockAcquire(&registry->lock, LW_EXCLUSIVE);
	database = allocate(MyDatabaseId);
	if (database != NULL)
		database->in_use = true;
	LWLockRelease(&registry->lock);
	if (database == NULL)
		ereport(ERROR,
				errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				errmsg("pg_net can serve at most %d databases", MAX_DATABASES),
				errhint("Drop some databases, or move some to another server."));
	return database;
}

DatabaseState *
pgnet_registry_find_own(void)
{
	static DatabaseState *own = NULL;

	if (own != NULL)
		return own;
	LWLockAcquire(&registry->lock, LW_SHARED);
	own = find(MyDatabaseId);
	/* others may store the same with the same shared lock */
	if (own != NULL)
		own->in_use = true;
	LWLockRelease(&registry->lock);
	return own;
}

DatabaseState *
pgnet_registry_acquire(Oid oid)
{
	DatabaseState *database;

	LWLockAcquire(&registry->lock, LW_EXCLUSIVE);
	database = allocate(oid);
	LWLockRelease(&registry->lock);
	return database;
}

DatabaseState *
pgnet_registry_block_workers(Oid oid, bool *is_new)
{
	DatabaseState *database;

	/* under the lock, so that it is not released in between */
	LWLockAcquire(&registry->lock, LW_EXCLUSIVE);
	*is_new = find(oid) == NULL;
	database = allocate(oid);
	if (database != NULL)
		pgnet_database_block_workers(database);
	LWLockRelease(&registry->lock);
	return database;
}

/* Release a state that was allocated only to block workers. */
void
pgnet_registry_unblock_workers(DatabaseState *database)
{
	pgnet_database_unblock_workers(database);
	pgnet_registry_release(database, false);
	pgnet_launcher_wake();
}

void
pgnet_registry_note_copy(Oid oid, TransactionId made_by)
{
	DatabaseState *database;

	LWLockAcquire(&registry->lock, LW_EXCLUSIVE);
	database = allocate(oid);
	if (database != NULL)
		pgnet_database_set_copied(database, made_by);
	LWLockRelease(&registry->lock);
}

int
pgnet_registry_count(void)
{
	int			count;

	LWLockAcquire(&registry->lock, LW_SHARED);
	count = registry->count;
	LWLockRelease(&registry->lock);
	return count;
}

DatabaseState *
pgnet_registry_at(int index)
{
	return &registry->databases[index];
}

bool
pgnet_registry_save(int *place, SavedDatabaseStats *saved)
{
	while (*place < registry->count)
	{
		DatabaseState *database = &registry->databases[(*place)++];

		if (!OidIsValid(database->database))
			continue;
		*saved = pgnet_stats_save(database);
		return true;
	}
	return false;
}

void
pgnet_registry_restore(const SavedDatabaseStats *saved)
{
	DatabaseState *database = pgnet_registry_acquire(saved->database);

	if (database == NULL)
		return;
	/* not to be given to another one as long as this one exists */
	database->in_use = true;
	pgnet_stats_restore(database, saved);
}

void
pgnet_registry_release(DatabaseState *database, bool is_gone)
{
	LWLockAcquire(&registry->lock, LW_EXCLUSIVE);
	if ((is_gone || !database->in_use) &&
		pgnet_database_is_unused(database, is_gone))
		database->database = InvalidOid;
	LWLockRelease(&registry->lock);
}

/* Find or allocate a state; the caller holds the lock exclusively. */
static DatabaseState *
allocate(Oid oid)
{
	DatabaseState *database = find(oid);

	if (database != NULL)
		return database;
	database = find(InvalidOid);
	if (database == NULL && registry->count < MAX_DATABASES)
		database = &registry->databases[registry->count++];
	if (database != NULL)
	{
		pgnet_stats_init(&database->stats);
		pgnet_database_init(database, oid);
	}
	return database;
}

/* NULL if the database has none.  The caller holds the lock. */
static DatabaseState *
find(Oid oid)
{
	for (int i = 0; i < registry->count; i++)
		if (registry->databases[i].database == oid)
			return &registry->databases[i];
	return NULL;
}
