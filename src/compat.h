/*
 * compat.h -- every difference between PostgreSQL and libcurl versions.
 *
 * No other file tests PG_VERSION_NUM or LIBCURL_VERSION_NUM.  Supported are
 * PostgreSQL 15 and later and libcurl 7.88 and later.
 */
#ifndef PGNET_COMPAT_H
#define PGNET_COMPAT_H

#include "postgres.h"

#include "postmaster/bgworker.h"
#include "storage/proc.h"
#include "utils/jsonb.h"
#include "utils/wait_event.h"

/* postgres.h brings VARDATA and its like up to 15 */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

#if PG_VERSION_NUM < 150000
#error "pg_net needs PostgreSQL 15 or later"
#endif

/* PG_MODULE_MAGIC_EXT came with 18 */
#if PG_VERSION_NUM >= 180000
#define PGNET_MODULE_MAGIC() \
	PG_MODULE_MAGIC_EXT(.name = "pg_net", .version = PGNET_VERSION)
#else
#define PGNET_MODULE_MAGIC() PG_MODULE_MAGIC
#endif

/* pg_noreturn, before a declaration: pg_attribute_noreturn() up to 17 */
#if PG_VERSION_NUM < 180000
#define pg_noreturn pg_attribute_noreturn()
#endif

/* This process's index in the array of PGPROCs; MyProcNumber came with 17 */
static inline int
pgnet_my_proc_number(void)
{
#if PG_VERSION_NUM >= 170000
	return MyProcNumber;
#else
	return MyProc->pgprocno;
#endif
}

/* Does a role own a database?  object_ownercheck() came with 16 */
#if PG_VERSION_NUM >= 160000
#define pgnet_owns_database(database, role) \
	object_ownercheck(DatabaseRelationId, (database), (role))
#else
#define pgnet_owns_database(database, role) \
	pg_database_ownercheck((database), (role))
#endif

/* From 17 on a worker can connect as a role that may not log in */
#ifdef BGWORKER_BYPASS_ROLELOGINCHECK
#define PGNET_BYPASS_ROLE_LOGIN BGWORKER_BYPASS_ROLELOGINCHECK
#define PGNET_CALLBACKS_CONNECT_AS_ROLE true
#else
#define PGNET_BYPASS_ROLE_LOGIN 0
#define PGNET_CALLBACKS_CONNECT_AS_ROLE false
#endif

/* May a role call a function?  object_aclcheck() came with 16 */
#if PG_VERSION_NUM >= 160000
#define pgnet_may_execute(function, role) \
	(object_aclcheck(ProcedureRelationId, (function), (role), ACL_EXECUTE) == \
	 ACLCHECK_OK)
#else
#define pgnet_may_execute(function, role) \
	(pg_proc_aclcheck((function), (role), ACL_EXECUTE) == ACLCHECK_OK)
#endif

/* stringToQualifiedNameList() can report errors softly from 16 on */
#if PG_VERSION_NUM >= 160000
#define PGNET_QUALIFIED_NAME_LIST(string) \
	stringToQualifiedNameList((string), NULL)
#else
#define PGNET_QUALIFIED_NAME_LIST(string) stringToQualifiedNameList((string))
#endif

/* func_get_detail() for positional arguments; from 19 on with flags */
#if PG_VERSION_NUM >= 190000
#define PGNET_FUNC_GET_DETAIL(names, nargs, types, function, result, set, \
							  nvariadic, variadic_type, true_types) \
	func_get_detail((names), NIL, NIL, (nargs), (types), true, true, false, \
					&(int) {0}, (function), (result), (set), (nvariadic), \
					(variadic_type), (true_types), NULL)
#else
#define PGNET_FUNC_GET_DETAIL(names, nargs, types, function, result, set, \
							  nvariadic, variadic_type, true_types) \
	func_get_detail((names), NIL, NIL, (nargs), (types), true, true, false, \
					(function), (result), (set), (nvariadic), \
					(variadic_type), (true_types), NULL)
#endif

/*
 * From 19 on PostgreSQL itself can end a worker that is in the way of DROP
 * DATABASE and the like; database_ddl.c keeps the next one out.
 */
#ifdef BGWORKER_INTERRUPTIBLE
#define PGNET_BGWORKER_INTERRUPTIBLE BGWORKER_INTERRUPTIBLE
#else
#define PGNET_BGWORKER_INTERRUPTIBLE 0
#endif

/* Wait events of extensions have names of their own from 17 on */
static inline uint32
pgnet_wait_event(uint32 *cached, const char *name)
{
#if PG_VERSION_NUM >= 170000
	if (*cached == 0)
		*cached = WaitEventExtensionNew(name);
	return *cached;
#else
	(void) cached;
	(void) name;
	return PG_WAIT_EXTENSION;
#endif
}

/* CreateWaitEventSet takes a resource owner from 17 on; ours lives for ever */
#if PG_VERSION_NUM >= 170000
#define PGNET_CREATE_WAIT_EVENT_SET(context, n) CreateWaitEventSet(NULL, (n))
#else
#define PGNET_CREATE_WAIT_EVENT_SET(context, n) \
	CreateWaitEventSet((context), (n))
#endif

/* guc.c frees what a check hook leaves in *extra: with free() up to 15 */
#if PG_VERSION_NUM >= 160000
#define PGNET_GUC_MALLOC(size) guc_malloc(LOG, (size))
#else
#define PGNET_GUC_MALLOC(size) malloc(size)
#endif

/* index_beginscan counts for EXPLAIN from 18 on, if asked to; flags in 19 */
#if PG_VERSION_NUM >= 190000
#define PGNET_INDEX_BEGINSCAN(table, index, snapshot, nkeys) \
	index_beginscan((table), (index), (snapshot), NULL, (nkeys), 0, 0)
#elif PG_VERSION_NUM >= 180000
#define PGNET_INDEX_BEGINSCAN(table, index, snapshot, nkeys) \
	index_beginscan((table), (index), (snapshot), NULL, (nkeys), 0)
#else
#define PGNET_INDEX_BEGINSCAN(table, index, snapshot, nkeys) \
	index_beginscan((table), (index), (snapshot), (nkeys), 0)
#endif

/* A field of dshash_parameters that came with 17 */
#if PG_VERSION_NUM >= 170000
#define PGNET_DSHASH_COPY .copy_function = dshash_memcpy,
#else
#define PGNET_DSHASH_COPY
#endif

/* table_tuple_delete takes flags from 19 on, in place of changingPart */
#if PG_VERSION_NUM >= 190000
#define PGNET_TABLE_TUPLE_DELETE(table, place, snapshot, failure) \
	table_tuple_delete((table), (place), GetCurrentCommandId(true), 0, \
					   (snapshot), InvalidSnapshot, false, (failure))
#else
#define PGNET_TABLE_TUPLE_DELETE(table, place, snapshot, failure) \
	table_tuple_delete((table), (place), GetCurrentCommandId(true), \
					   (snapshot), InvalidSnapshot, false, (failure), false)
#endif

/*
 * A jsonb under construction: its result is there after the last push.  Begin
 * with zeroes.
 */
#if PG_VERSION_NUM >= 190000
typedef JsonbInState PgnetJsonbState;
#else
typedef struct PgnetJsonbState
{
	JsonbParseState *parse_state;
	JsonbValue *result;
} PgnetJsonbState;
#endif

static inline void
pgnet_jsonb_push(PgnetJsonbState *state, JsonbIteratorToken token,
				 JsonbValue *value)
{
#if PG_VERSION_NUM >= 190000
	pushJsonbValue(state, token, value);
#else
	state->result = pushJsonbValue(&state->parse_state, token, value);
#endif
}

/* Limits of the whole server that must not reach the worker's transactions */
#if PG_VERSION_NUM >= 170000
#define PGNET_HAVE_TRANSACTION_TIMEOUT 1
#endif

/* CURLU_PUNYCODE, for hosts in other scripts, came with 7.88 */
#ifdef LIBCURL_VERSION_NUM
#if LIBCURL_VERSION_NUM < 0x075800
#error "pg_net needs libcurl 7.88 or later"
#endif
#endif							/* LIBCURL_VERSION_NUM */

#endif							/* PGNET_COMPAT_H */
