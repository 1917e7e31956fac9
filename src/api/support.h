/*
 * support.h -- what the SQL functions have in common.
 *
 * Runs in: client backends.
 */
#ifndef PGNET_API_SUPPORT_H
#define PGNET_API_SUPPORT_H

#include "postgres.h"

#include "fmgr.h"

#include "shared/registry.h"

/* Throws object_not_in_prerequisite_state unless the library is preloaded. */
extern void pgnet_require_preloaded(void);

/*
 * The state of this database.  Throws as above, or configuration_limit_exceeded
 * when there are too many databases.
 */
extern DatabaseState *pgnet_require_served(void);

/*
 * Throws read_only_sql_transaction on a standby and in a read-only
 * transaction, invalid_transaction_state in a parallel query; the message
 * names the SQL function that was called.
 */
extern void pgnet_require_writable(FunctionCallInfo fcinfo);

/* Throws invalid_transaction_state in a parallel query, likewise. */
extern void pgnet_require_not_parallel(FunctionCallInfo fcinfo);

/*
 * Throws read_only_sql_transaction on a standby whose tables are unlogged, and
 * invalid_transaction_state in a parallel query, which has one snapshot only.
 */
extern void pgnet_require_readable(FunctionCallInfo fcinfo);

/* Throws as above when the worker is not at work, and should be. */
extern void pgnet_require_worker(void);

/*
 * Tell the user, once a session, if what is promised for later is lost in a
 * crash, because the tables are unlogged.
 */
extern void pgnet_warn_unless_durable(void);

#endif							/* PGNET_API_SUPPORT_H */
