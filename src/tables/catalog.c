/*
 * catalog.c -- is the extension here, and may we touch its tables now?
 *
 * Runs in: client backends and workers, inside a transaction.
 *
 * What is found is remembered until an invalidation message names one of the
 * tables, so asking costs nothing in the common case.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "tables/catalog.h"

/* What we know of the database; queue is InvalidOid while we know nothing. */
static struct
{
	Oid			queue;
	Oid			log;
	Oid			owner;
	Oid			method_type;
} known;

static bool callback_registered = false;

static bool learn(void);
static void forget(Datum arg, Oid relation);
static Oid	extension_table(Oid extension, Oid schema, const char *name);

/*
 * Is pg_net installed in this database?  A schema net that is somebody else's
 * does not count: the tables must belong to the extension.
 */
bool
pgnet_catalog_installed(void)
{
	return OidIsValid(known.queue) || learn();
}

/*
 * Lock both tables for writing until the transaction ends, or neither: the
 * worker never waits for someone's ACCESS EXCLUSIVE.
 */
TablesState
pgnet_catalog_lock_tables(void)
{
	if (!pgnet_catalog_installed())
		return PGNET_TABLES_MISSING;
	if (!ConditionalLockRelationOid(known.queue, RowExclusiveLock))
		return PGNET_TABLES_BUSY;
	/* taking a lock reads invalidations: are these the right tables still? */
	if (!pgnet_catalog_installed())
		return PGNET_TABLES_MISSING;
	if (!ConditionalLockRelationOid(known.log, RowExclusiveLock))
		return PGNET_TABLES_BUSY;
	if (!pgnet_catalog_installed())
		return PGNET_TABLES_MISSING;
	return PGNET_TABLES_LOCKED;
}

/* The queue's table; only valid when installed. */
Oid
pgnet_catalog_queue(void)
{
	return known.queue;
}

/*
 * Act as the owner of the tables, whoever called: the caller needs no right
 * to them, and a trigger on them gets no more rights than their owner has.
 * Undone by pgnet_catalog_become(), or by the abort of the transaction.
 */
CatalogUser
pgnet_catalog_become_owner(void)
{
	CatalogUser before;

	if (!pgnet_catalog_installed())
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_TABLE),
				errmsg("the tables of extension \"pg_net\" are missing"),
				errhint("DROP EXTENSION pg_net and CREATE EXTENSION pg_net make them anew."));
	GetUserIdAndSecContext(&before.user, &before.security_context);
	SetUserIdAndSecContext(known.owner,
						   before.security_context |
							   SECURITY_LOCAL_USERID_CHANGE |
							   SECURITY_RESTRICTED_OPERATION |
							   SECURITY_NOFORCE_RLS);
	return before;
}

/* Be who we were. */
void
pgnet_catalog_become(CatalogUser user)
{
	SetUserIdAndSecContext(user.user, user.security_context);
}

/* The type net.http_method; only valid when installed. */
Oid
pgnet_catalog_method_type(void)
{
	return known.method_type;
}

/* Look the tables up. */
static bool
learn(void)
{
	Oid			extension = get_extension_oid("pg_net", true);
	Oid			schema = get_namespace_oid("net", true);
	HeapTuple	tuple;

	if (!callback_registered)
	{
		CacheRegisterRelcacheCallback(forget, (Datum) 0);
		callback_registered = true;
	}
	if (!OidIsValid(extension) || !OidIsValid(schema))
		return false;

	known.log = extension_table(extension, schema, "_http_response");
	known.method_type = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid,
										CStringGetDatum("http_method"),
										ObjectIdGetDatum(schema));
	known.queue = extension_table(extension, schema, "http_request_queue");
	if (!OidIsValid(known.log))
		known.queue = InvalidOid;

	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(known.queue));
	if (!HeapTupleIsValid(tuple))
	{
		known.queue = InvalidOid;
		return false;
	}
	known.owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return true;
}

/* Relcache callback: one of our tables, or all relations, may have changed. */
static void
forget(Datum arg, Oid relation)
{
	(void) arg;
	if (relation == InvalidOid || relation == known.queue ||
		relation == known.log)
		known.queue = InvalidOid;
}

/* The table of that name if it is a member of the extension. */
static Oid
extension_table(Oid extension, Oid schema, const char *name)
{
	Oid			table = get_relname_relid(name, schema);

	if (OidIsValid(table) &&
		getExtensionOfObject(RelationRelationId, table) == extension)
		return table;
	return InvalidOid;
}
