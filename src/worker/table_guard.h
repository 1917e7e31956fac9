/*
 * table_guard.h -- work on tables that may be missing, locked or broken.
 *
 * Runs in: workers and probes.
 */
#ifndef PGNET_TABLE_GUARD_H
#define PGNET_TABLE_GUARD_H

#include "postgres.h"

#include "backoff.h"

typedef struct TableGuard
{
	Oid			queue;			/* as last locked; InvalidOid: none */
	bool		changed;		/* it is another one: forget all rows */
	bool		missing;		/* the extension was, when last tried */
	bool		quiet;			/* do not log that the extension is missing */
	bool		said_missing;	/* logged what is missing */
} TableGuard;

typedef enum GuardResult
{
	PGNET_GUARD_DONE,
	PGNET_GUARD_BUSY,			/* locked, renamed, or a column unusable */
	PGNET_GUARD_GONE,			/* the extension is missing, or created again */
	PGNET_GUARD_FAILED			/* the transaction failed with an error */
} GuardResult;

/* What to do in the transaction; may throw. */
typedef void (*TableWork) (void *arg);

/*
 * Call work(arg) in a transaction, with both tables locked; guard->queue is the
 * OID of the queue.  Only PGNET_GUARD_DONE means that it was called and the
 * transaction committed.  For PGNET_GUARD_FAILED, *error is a copy of the error
 * in the current memory context.
 */
extern GuardResult pgnet_table_guard_run(TableGuard *guard, TableWork work,
										 void *arg, ErrorData **error);

/*
 * The same for work that is tried again until it succeeds, at times that
 * backoff has.  The first of a series of failures is logged, with what could
 * not be done ("read the queue").  Returns whether it is done.
 */
extern bool pgnet_table_guard_try(TableGuard *guard, Backoff *backoff,
								  const char *what, TableWork work, void *arg);

#endif							/* PGNET_TABLE_GUARD_H */
