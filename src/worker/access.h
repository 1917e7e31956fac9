/*
 * access.h -- the worker's access to the tables.
 *
 * Runs in: workers.
 */
#ifndef PGNET_ACCESS_H
#define PGNET_ACCESS_H

#include "postgres.h"

#include "backoff.h"

typedef struct TableAccess
{
	Oid			queue;			/* the table we serve; InvalidOid: none */
	bool		changed;		/* it is another one: forget all its rows */
	bool		missing;		/* the extension, at the last look */
	bool		quiet;			/* where pg_net is missing, do not say so */
	bool		said_missing;	/* in the log */
} TableAccess;

/* What came of trying to work on the tables. */
typedef enum AccessResult
{
	PGNET_ACCESS_DONE,
	PGNET_ACCESS_BUSY,			/* a table is locked, or renamed */
	PGNET_ACCESS_GONE,			/* the extension is missing, or new */
	PGNET_ACCESS_FAILED			/* the work threw an error */
} AccessResult;

/* Something to do with the tables, inside a transaction. */
typedef void (*TableWork) (void *arg);

/*
 * Do work in a transaction with both tables locked; access->queue is the one
 * locked.  When it failed, *error is a copy in the current memory context.
 */
extern AccessResult pgnet_access_run(TableAccess *access, TableWork work,
									 void *arg, ErrorData **error);

/*
 * The same for work that is tried again until it succeeds: a failure is in
 * the log once, with what could not be done ("read the queue").  True: done.
 */
extern bool pgnet_access_try(TableAccess *access, Backoff *backoff,
							 const char *what, TableWork work, void *arg);

#endif							/* PGNET_ACCESS_H */
