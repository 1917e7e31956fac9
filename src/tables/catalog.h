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
	PGNET_TABLES_LOCKED,		/* ours until the transaction ends */
	PGNET_TABLES_BUSY,			/* somebody else holds a lock: try again */
	PGNET_TABLES_APART,			/* a table is renamed or dropped: try again */
	PGNET_TABLES_MISSHAPEN,		/* a column is: try again */
	PGNET_TABLES_MISSING		/* pg_net is not installed */
} TablesState;

extern bool pgnet_catalog_installed(void);
extern TablesState pgnet_catalog_lock_tables(Oid *queue);
extern const char *pgnet_catalog_misfit(const char **table);
extern CatalogUser pgnet_catalog_become_owner(void);
extern void pgnet_catalog_become(CatalogUser user);
extern Oid	pgnet_catalog_method_type(void);

/* The table or sequence of that name if it is the extension's own. */
extern Oid	pgnet_catalog_relation(const char *name);

/* The OID of net._installation, or InvalidOid. */
extern Oid	pgnet_catalog_installation(void);

/* Is this a standby, on which our tables have no rows, being unlogged? */
extern bool pgnet_catalog_is_absent_on_standby(void);

/* Another number each time net.access_rule may have changed. */
extern uint64 pgnet_catalog_rule_changes(void);

/* The same for net.endpoint. */
extern uint64 pgnet_catalog_endpoint_changes(void);

/* Is net.access_rule as empty as when it was made?  Locks it for a moment. */
extern bool pgnet_catalog_has_no_rules(void);

/*
 * Open a table for what can be done to it without a plan; NULL when that cannot
 * be, because of what users changed.  The first locks the queue until the
 * transaction ends, and may wait for that lock; the others are for tables that
 * pgnet_catalog_lock_tables() has locked.
 */
extern Relation pgnet_catalog_open_writable_queue(TableTraits *traits);
extern Relation pgnet_catalog_open_readable_queue(Oid queue, Oid *primary_key);
extern Relation pgnet_catalog_open_removable_queue(void);
extern Relation pgnet_catalog_open_writable_log(TableTraits *traits);

#endif							/* PGNET_CATALOG_H */
