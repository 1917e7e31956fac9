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
 * The state of the database this process is connected to, allocated now if
 * need be.  Throws configuration_limit_exceeded when there are too many.  A
 * pointer to it may be kept: it stays as long as the database.
 */
extern DatabaseState *pgnet_registry_own(void);

/* The same, but NULL when it has none. */
extern DatabaseState *pgnet_registry_find_own(void);

/*
 * The state of any database, allocated now if need be, for its workers and the
 * launcher; NULL when there are too many.
 */
extern DatabaseState *pgnet_registry_acquire(Oid database);

/*
 * Keep workers out of a database, any one, and have the one that is there
 * leave, until unblocked as often.  Its state, allocated now if need be
 * (*is_new), or NULL when there are too many.  Unblocking must not throw.
 */
extern DatabaseState *pgnet_registry_block_workers(Oid database,
												   bool *is_new);
extern void pgnet_registry_unblock_workers(DatabaseState *database);

/*
 * A database is a copy, made by that transaction: rows queued before are not
 * its own.  Must not throw.
 */
extern void pgnet_registry_note_copy(Oid database, TransactionId made_by);

/* States by their index, 0 to count - 1; some are of no database. */
extern int	pgnet_registry_count(void);
extern DatabaseState *pgnet_registry_at(int index);

/*
 * Release the state of a database which is gone, or one that no backend has a
 * pointer to.  Does nothing while it is needed.
 */
extern void pgnet_registry_release(DatabaseState *database, bool is_gone);

#endif							/* PGNET_REGISTRY_H */
