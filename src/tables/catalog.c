/*
 * catalog.c -- is the extension here, and may we touch its tables now?
 *
 * Runs in: client backends and workers, inside a transaction.
 *
 * What was read from the catalogs is kept until an invalidation message names
 * one of the tables.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xlog.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "tables/catalog.h"
#include "tables/queue/queue_row.h"
#include "tables/responses/response_row.h"
#include "tables/row_writer.h"
#include "tables/shape.h"

/* What was read from the catalogs; queue is InvalidOid if nothing is known. */
typedef struct Knowledge
{
	Oid			queue;
	Oid			log;
	Oid			access_rule;
	Oid			endpoint;		/* this and the next may be missing */
	Oid			installation;
	Oid			owner;
	Oid			method_type;
	TableTraits queue_traits;
	TableTraits log_traits;
	const char *unusable_column;	/* missing or of another type; or NULL */
	const char *unusable_table;
} Knowledge;

static Knowledge known;

/* how often forget() was called */
static uint64 invalidations = 0;

/* how often net.access_rule and net.endpoint may have changed */
static uint64 rule_changes = 1;
static uint64 endpoint_changes = 1;

static bool callback_registered = false;

static void become(Oid owner, int security_context);
static bool learn(void);
static bool read_catalogs(Knowledge *read);
static void find_unusable(Knowledge *read, TupleDesc queue, TupleDesc log);
static void forget(Datum arg, Oid relation);
static Oid	extension_table(Oid extension, Oid schema, const char *name);
static Oid	extension_function(Oid extension, Oid schema, const char *name);

bool
pgnet_catalog_installed(void)
{
	return OidIsValid(known.queue) || learn();
}

TablesState
pgnet_catalog_lock_tables(Oid *queue)
{
	Oid			log;

	*queue = InvalidOid;
	if (!pgnet_catalog_installed())
		return OidIsValid(get_extension_oid("pg_net", true)) ?
			PGNET_TABLES_APART :
			PGNET_TABLES_MISSING;
	if (known.unusable_column != NULL)
		return PGNET_TABLES_UNUSABLE;
	*queue = known.queue;
	log = known.log;
	if (!ConditionalLockRelationOid(*queue, RowExclusiveLock) ||
		!ConditionalLockRelationOid(log, RowExclusiveLock))
		return PGNET_TABLES_BUSY;
	/* taking a lock may process invalidations: are these still the tables? */
	if (pgnet_catalog_installed() && known.queue == *queue &&
		known.log == log && known.unusable_column == NULL)
		return PGNET_TABLES_LOCKED;
	return PGNET_TABLES_BUSY;
}

const char *
pgnet_catalog_unusable_column(const char **table)
{
	*table = known.unusable_table;
	return known.unusable_column;
}

CatalogUser
pgnet_catalog_become_owner(void)
{
	CatalogUser before;

	if (!pgnet_catalog_installed())
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_TABLE),
				errmsg("the tables of extension \"pg_net\" are missing"),
				errhint("Run DROP EXTENSION pg_net and CREATE EXTENSION pg_net to recreate them."));
	GetUserIdAndSecContext(&before.user, &before.security_context);
	become(known.owner, before.security_context);
	return before;
}

static void
become(Oid owner, int security_context)
{
	SetUserIdAndSecContext(owner,
						   security_context | SECURITY_LOCAL_USERID_CHANGE |
							   SECURITY_RESTRICTED_OPERATION |
							   SECURITY_NOFORCE_RLS);
}

void
pgnet_catalog_become_owner_of(Oid table)
{
	Relation	relation = table_open(table, NoLock);
	Oid			owner = relation->rd_rel->relowner;
	CatalogUser before;

	table_close(relation, NoLock);
	GetUserIdAndSecContext(&before.user, &before.security_context);
	become(owner, before.security_context);
}

void
pgnet_catalog_become(CatalogUser user)
{
	SetUserIdAndSecContext(user.user, user.security_context);
}

Oid
pgnet_catalog_method_type(void)
{
	return known.method_type;
}

Oid
pgnet_catalog_relation(const char *name)
{
	Oid			extension = get_extension_oid("pg_net", true);
	Oid			schema = get_namespace_oid("net", true);

	if (!OidIsValid(extension) || !OidIsValid(schema))
		return InvalidOid;
	return extension_table(extension, schema, name);
}

Oid
pgnet_catalog_log(void)
{
	return pgnet_catalog_installed() ? known.log : InvalidOid;
}

Oid
pgnet_catalog_owner(void)
{
	return pgnet_catalog_installed() ? known.owner : InvalidOid;
}

Oid
pgnet_catalog_last_owner(void)
{
	return known.owner;
}

Oid
pgnet_catalog_installation(void)
{
	return pgnet_catalog_installed() ? known.installation : InvalidOid;
}

bool
pgnet_catalog_is_absent_on_standby(void)
{
	return RecoveryInProgress() && pgnet_catalog_installed() &&
		(get_rel_persistence(known.queue) == RELPERSISTENCE_UNLOGGED ||
		 get_rel_persistence(known.log) == RELPERSISTENCE_UNLOGGED);
}

uint64
pgnet_catalog_rule_changes(void)
{
	(void) pgnet_catalog_installed();
	return rule_changes;
}

void
pgnet_catalog_forget_policies(void)
{
	rule_changes++;
	endpoint_changes++;
}

uint64
pgnet_catalog_endpoint_changes(void)
{
	(void) pgnet_catalog_installed();
	return endpoint_changes;
}

bool
pgnet_catalog_has_no_rules(void)
{
	Relation	table = NULL;
	bool		empty = false;

	if (pgnet_catalog_installed())
		table = try_table_open(known.access_rule, AccessShareLock);
	if (table != NULL)
	{
		empty = RelationGetNumberOfBlocks(table) == 0;
		table_close(table, AccessShareLock);
	}
	return empty;
}

Relation
pgnet_catalog_open_writable_queue(TableTraits *traits)
{
	while (pgnet_catalog_installed() && known.queue_traits.writable)
	{
		Relation	queue = try_table_open(known.queue, RowExclusiveLock);

		/* is it still the queue, and writable, now that it is locked? */
		if (queue != NULL && pgnet_catalog_installed() &&
			known.queue_traits.writable &&
			known.queue == RelationGetRelid(queue))
		{
			*traits = known.queue_traits;
			return queue;
		}
		if (queue != NULL)
			table_close(queue, RowExclusiveLock);
	}
	return NULL;
}

Relation
pgnet_catalog_open_readable_queue(Oid queue, Oid *primary_key)
{
	if (!pgnet_catalog_installed() || known.queue != queue ||
		!known.queue_traits.readable ||
		!OidIsValid(known.queue_traits.primary_key))
		return NULL;
	*primary_key = known.queue_traits.primary_key;
	return table_open(queue, NoLock);
}

Relation
pgnet_catalog_open_removable_queue(void)
{
	if (!pgnet_catalog_installed() || !known.queue_traits.removable)
		return NULL;
	return table_open(known.queue, NoLock);
}

Relation
pgnet_catalog_open_writable_log(TableTraits *traits)
{
	if (!pgnet_catalog_installed() || !known.log_traits.writable)
		return NULL;
	*traits = known.log_traits;
	return table_open(known.log, NoLock);
}

/*
 * Fill known.  Reading catalogs may process invalidations; then what was read
 * may be out of date, and is read again.
 */
static bool
learn(void)
{
	Knowledge	read;
	uint64		before;

	if (!callback_registered)
	{
		CacheRegisterRelcacheCallback(forget, (Datum) 0);
		callback_registered = true;
	}
	do
	{
		before = invalidations;
		if (!read_catalogs(&read))
			return false;
	} while (before != invalidations);
	if (read.endpoint != known.endpoint)
		endpoint_changes++;
	if (read.access_rule != known.access_rule)
		rule_changes++;
	known = read;
	return true;
}

/* False if the extension or one of its tables is missing. */
static bool
read_catalogs(Knowledge *read)
{
	Oid			extension = get_extension_oid("pg_net", true);
	Oid			schema = get_namespace_oid("net", true);
	OwnTriggers own;
	Relation	queue;
	Relation	log;
	bool		complete = false;

	if (!OidIsValid(extension) || !OidIsValid(schema))
		return false;
	read->log = extension_table(extension, schema, "_http_response");
	read->method_type = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid,
										CStringGetDatum("http_method"),
										ObjectIdGetDatum(schema));
	read->queue = extension_table(extension, schema, "http_request_queue");
	read->access_rule = extension_table(extension, schema, "access_rule");
	read->endpoint = extension_table(extension, schema, "endpoint");
	read->installation = extension_table(extension, schema, "_installation");
	if (!OidIsValid(read->log) || !OidIsValid(read->queue) ||
		!OidIsValid(read->access_rule))
		return false;
	own = (OwnTriggers) {
		.queue_changed = extension_function(extension, schema,
											"_queue_changed"),
		.queue_insert = extension_function(extension, schema, "_queue_insert"),
		.not_replicated = extension_function(extension, schema,
											 "_not_replicated")
	};
	queue = RelationIdGetRelation(read->queue);
	log = RelationIdGetRelation(read->log);
	if (queue != NULL && log != NULL)
	{
		read->owner = queue->rd_rel->relowner;
		read->queue_traits =
			pgnet_table_traits_examine(queue, pgnet_queue_shape,
									   QUEUE_NCOLUMNS, read->method_type, &own);
		read->log_traits =
			pgnet_table_traits_examine(log, pgnet_outcome_rows_shape,
									   RESPONSE_COLUMNS, InvalidOid, &own);
		find_unusable(read, RelationGetDescr(queue), RelationGetDescr(log));
		complete = true;
	}
	if (queue != NULL)
		RelationClose(queue);
	if (log != NULL)
		RelationClose(log);
	return complete;
}

static void
find_unusable(Knowledge *read, TupleDesc queue, TupleDesc log)
{
	read->unusable_table = "http_request_queue";
	read->unusable_column = pgnet_shape_unreadable(queue, pgnet_queue_shape,
												   QUEUE_NCOLUMNS);
	if (read->unusable_column != NULL)
		return;
	read->unusable_table = "_http_response";
	read->unusable_column =
		pgnet_shape_unwritable(log, pgnet_outcome_rows_shape,
							   RESPONSE_COLUMNS);
}

/* Relcache callback: one of our tables, or all relations, may have changed. */
static void
forget(Datum arg, Oid relation)
{
	(void) arg;
	invalidations++;
	pgnet_row_writer_forget();
	if (relation == InvalidOid || relation == known.endpoint)
		endpoint_changes++;
	if (relation == InvalidOid || relation == known.access_rule)
		rule_changes++;
	if (relation == InvalidOid || relation == known.queue ||
		relation == known.log || relation == known.access_rule ||
		relation == known.installation)
		known.queue = InvalidOid;
}

/* A table that is a member of the extension, or InvalidOid. */
static Oid
extension_table(Oid extension, Oid schema, const char *name)
{
	Oid			table = get_relname_relid(name, schema);

	if (OidIsValid(table) &&
		getExtensionOfObject(RelationRelationId, table) == extension)
		return table;
	return InvalidOid;
}

/*
 * A function without arguments that is a member of the extension, or
 * InvalidOid.
 */
static Oid
extension_function(Oid extension, Oid schema, const char *name)
{
	Datum		none = PointerGetDatum(buildoidvector(NULL, 0));
	Oid			function = GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid,
										   CStringGetDatum(name), none,
										   ObjectIdGetDatum(schema));

	if (OidIsValid(function) &&
		getExtensionOfObject(ProcedureRelationId, function) == extension)
		return function;
	return InvalidOid;
}
