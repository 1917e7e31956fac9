/*
 * registry.h -- which database has which state.
 *
 * Runs in: every process.
 */
#ifndef PGNET_REGISTRY_H
#define PGNET_REGISTRY_H

#include "postgres.h"

#include "shared/database_state.h"

/* For memory.c. */
extern Size pgnet_registry_memory_size(void);
extern void pgnet_registry_memory_init(void *memory, int lock_tranche);

/* Is the shared memory there?  Only with shared_preload_libraries. */
extern bool pgnet_registry_available(void);

/*
 * The state of the database this process is connected to, allocated if it has
 * none.  Throws configuration_limit_exceeded if there are too many.  The
 * pointer may be kept: the state exists as long as the database.
 */
extern DatabaseState *pgnet_registry_own(void);

/* The same, but NULL if it has none. */
extern DatabaseState *pgnet_registry_find_own(void);

/*
 * For workers and the launcher: the state of any database, allocated if it has
 * none; NULL if there are too many.
 */
extern DatabaseState *pgnet_registry_acquire(Oid database);

/*
 * Block the workers of any database: see pgnet_database_block_workers().
 * Returns its state, allocated if it had none (*is_new), or NULL if there are
 * too many.  Unblocking must not throw.
 */
extern DatabaseState *pgnet_registry_block_workers(Oid database,
												   bool *is_new);
extern void pgnet_registry_unblock_workers(DatabaseState *database);

/*
 * A database was created as a copy by transaction made_by: rows that are older
 * are not its own.  The caller wakes the launcher.  Must not throw.
 */
extern void pgnet_registry_note_copy(Oid database, TransactionId made_by);

/* States by index, 0 to count - 1; some may be of no database. */
extern int	pgnet_registry_count(void);
extern DatabaseState *pgnet_registry_at(int index);

/*
 * For the postmaster: the counters of the next database from *place on, false:
 * there are no more; and those that were kept.
 */
extern bool pgnet_registry_save(int *place, SavedDatabaseStats *saved);
extern void pgnet_registry_restore(const SavedDatabaseStats *saved);

/*
 * Release the state of a database that is gone, or that no backend has a
 * pointer to.  Does nothing if pgnet_database_is_unused() says no.
 */
extern void pgnet_registry_release(DatabaseState *database, bool is_gone);

#endif							/* PGNET_REGISTRY_H */
