/*
 * catalog.h -- is the extension here, and may we touch its tables now?
 *
 * Runs in: client backends and workers, inside a transaction.
 */
#ifndef PGNET_CATALOG_H
#define PGNET_CATALOG_H

#include "postgres.h"

#include "utils/rel.h"

#include "tables/table_traits.h"

/* Who we were before pgnet_catalog_become_owner(). */
typedef struct CatalogUser
{
	Oid			user;
	int			security_context;
} CatalogUser;

typedef enum TablesState
{
	PGNET_TABLES_LOCKED,		/* until the transaction ends */
	PGNET_TABLES_BUSY,			/* somebody else holds a lock: try again */
	PGNET_TABLES_APART,			/* a table is renamed or dropped: try again */
	PGNET_TABLES_UNUSABLE,		/* a column is missing or changed: try again */
	PGNET_TABLES_MISSING		/* pg_net is not installed */
} TablesState;

/*
 * Is pg_net installed in this database, with its tables?  They must belong to
 * the extension: somebody else may have a schema of that name.
 */
extern bool pgnet_catalog_installed(void);

/*
 * Lock both tables in ROW EXCLUSIVE mode until the transaction ends, or
 * neither, without waiting.  *queue is the OID of the queue, InvalidOid if a
 * table or a column is missing.
 */
extern TablesState pgnet_catalog_lock_tables(Oid *queue);

/* For PGNET_TABLES_UNUSABLE: the names of the column and of its table. */
extern const char *pgnet_catalog_unusable_column(const char **table);

/*
 * Act as the owner of the tables: the caller needs no privileges on them, and
 * triggers on them run with no more than those of their owner.  Undone by
 * pgnet_catalog_become(), or by the abort of the (sub)transaction.
 */
extern CatalogUser pgnet_catalog_become_owner(void);
extern void pgnet_catalog_become(CatalogUser user);

/* The same for the owner of a table, until the transaction ends. */
extern void pgnet_catalog_become_owner_of(Oid table);

/* The OID of the domain net.http_method, if pg_net is installed. */
extern Oid	pgnet_catalog_method_type(void);

/*
 * The OID of a table or sequence in schema net that is a member of the
 * extension, or InvalidOid.
 */
extern Oid	pgnet_catalog_relation(const char *name);

/* The OID of net._http_response, and the owner of both tables. */
extern Oid	pgnet_catalog_log(void);
extern Oid	pgnet_catalog_owner(void);

/* The owner as it was last known, outside a transaction as well. */
extern Oid	pgnet_catalog_last_owner(void);

/* The OID of net._installation, or InvalidOid. */
extern Oid	pgnet_catalog_installation(void);

/* Is this a standby, and are the tables unlogged?  Then they cannot be read. */
extern bool pgnet_catalog_is_absent_on_standby(void);

/* A number that is different each time net.access_rule may have changed. */
extern uint64 pgnet_catalog_rule_changes(void);

/* The same for net.endpoint. */
extern uint64 pgnet_catalog_endpoint_changes(void);

/*
 * Rows of those tables may have changed: change the numbers.  For who is told
 * at the commit, which is a moment before the invalidations come (xact.c).
 */
extern void pgnet_catalog_forget_policies(void);

/*
 * Has net.access_rule no blocks, as after its creation?  Locks it and releases
 * the lock.  A query that finds nothing would cost a new session a millisecond.
 */
extern bool pgnet_catalog_has_no_rules(void);

/*
 * Open a table to insert, read or remove rows without a plan; NULL if what
 * users added to it (TableTraits) takes a statement.  The caller closes it.
 * The first one locks the queue until the transaction ends, and may wait for
 * the lock; the others are for tables that pgnet_catalog_lock_tables() has
 * locked.
 */
extern Relation pgnet_catalog_open_writable_queue(TableTraits *traits);
extern Relation pgnet_catalog_open_readable_queue(Oid queue, Oid *primary_key);
extern Relation pgnet_catalog_open_removable_queue(void);
extern Relation pgnet_catalog_open_writable_log(TableTraits *traits);

#endif							/* PGNET_CATALOG_H */
