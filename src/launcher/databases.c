/*
 * databases.c -- the databases and roles of the server.
 *
 * Runs in: the launcher.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "launcher/databases.h"

static void scan_databases(DatabaseList *list, MemoryContext context);
static int	compare_oids(const void *a, const void *b);

/* As get_database_list() of autovacuum.c. */
DatabaseList
pgnet_databases_read(void)
{
	MemoryContext caller_context = CurrentMemoryContext;
	DatabaseList list = {0};

	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	scan_databases(&list, caller_context);
	CommitTransactionCommand();
	MemoryContextSwitchTo(caller_context);
	qsort(list.databases, list.count, sizeof(Database), compare_oids);
	return list;
}

static void
scan_databases(DatabaseList *list, MemoryContext context)
{
	Relation	relation = table_open(DatabaseRelationId, AccessShareLock);
	TableScanDesc scan = table_beginscan_catalog(relation, 0, NULL);
	int			room = 64;
	HeapTuple	tuple;

	list->databases = MemoryContextAlloc(context, sizeof(Database) * room);
	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		Form_pg_database row = (Form_pg_database) GETSTRUCT(tuple);

		if (list->count == room)
		{
			room *= 2;
			list->databases = repalloc(list->databases,
									   sizeof(Database) * room);
		}
		list->databases[list->count++] = (Database) {
			.oid = row->oid,
			.name = row->datname,
			.connectable = row->datallowconn &&
				!database_is_invalid_form(row)
		};
	}
	table_endscan(scan);
	table_close(relation, AccessShareLock);
}

/* qsort comparator */
static int
compare_oids(const void *a, const void *b)
{
	Oid			left = ((const Database *) a)->oid;
	Oid			right = ((const Database *) b)->oid;

	return left < right ? -1 : left > right;
}

const Database *
pgnet_databases_find(const DatabaseList *list, Oid oid)
{
	Database	key = {.oid = oid};

	return bsearch(&key, list->databases, list->count, sizeof(Database),
				   compare_oids);
}

const Database *
pgnet_databases_find_name(const DatabaseList *list, const char *name)
{
	for (int i = 0; i < list->count; i++)
		if (namestrcmp(&list->databases[i].name, name) == 0)
			return &list->databases[i];
	return NULL;
}

RoleState
pgnet_role_find(const char *name, Oid *oid)
{
	MemoryContext caller_context = CurrentMemoryContext;
	RoleState	state = PGNET_ROLE_MISSING;
	HeapTuple	tuple;

	StartTransactionCommand();
	tuple = SearchSysCache1(AUTHNAME, CStringGetDatum(name));
	if (HeapTupleIsValid(tuple))
	{
		Form_pg_authid row = (Form_pg_authid) GETSTRUCT(tuple);

		*oid = row->oid;
		state = row->rolcanlogin ? PGNET_ROLE_USABLE : PGNET_ROLE_NO_LOGIN;
		ReleaseSysCache(tuple);
	}
	CommitTransactionCommand();
	MemoryContextSwitchTo(caller_context);
	return state;
}
