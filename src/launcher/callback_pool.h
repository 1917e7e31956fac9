/*
 * callback_pool.h -- the processes of callbacks, as the launcher sees them.
 *
 * Runs in: the launcher.
 */
#ifndef PGNET_CALLBACK_POOL_H
#define PGNET_CALLBACK_POOL_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "launcher/databases.h"

typedef struct CallbackPool CallbackPool;

extern CallbackPool *pgnet_callback_pool_create(MemoryContext parent);

/* Try again at once what failed: it may be fixed. */
extern void pgnet_callback_pool_forget_failures(CallbackPool *pool);

/*
 * See which processes have ended, and which are needed.  True: there is
 * something to start; *due is lowered to when there may be, if nothing happens
 * before.
 */
extern bool pgnet_callback_pool_review(CallbackPool *pool, TimestampTz now,
									   TimestampTz *due);

/*
 * Start those that are needed, the longest waiting first, as long as there are
 * background workers left.  *due is lowered to when to try again.
 */
extern void pgnet_callback_pool_start_needed(CallbackPool *pool,
											 const DatabaseList *list,
											 Oid role, TimestampTz now,
											 TimestampTz *due);

/* Workers wait for a process: have those leave that are not in a call. */
extern void pgnet_callback_pool_give_way(void);

#endif							/* PGNET_CALLBACK_POOL_H */
