/*
 * access.h -- the worker's access to the tables.
 *
 * Runs in: workers.
 */
#ifndef PGNET_ACCESS_H
#define PGNET_ACCESS_H

#include "postgres.h"

#include "datatype/timestamp.h"

typedef struct TableAccess
{
	Oid			queue;			/* the table we serve; InvalidOid: none */
	bool		changed;		/* it is another one: forget all its rows */
	bool		said_missing;	/* in the log */
	int			retry_ms;		/* how long we stay away; 0: not at all */
	TimestampTz retry_at;
} TableAccess;

/* Something to do with the tables, inside a transaction. */
typedef void (*TableWork) (void *arg);

/*
 * Do work in a transaction with both tables locked.  False when that was not
 * possible: the extension is missing or new (see changed), a table is locked,
 * or the work failed, which is in the log then.
 */
extern bool pgnet_access_run(TableAccess *access, TableWork work, void *arg);

/* May the tables be touched, or is it too early after some trouble? */
extern bool pgnet_access_allowed(const TableAccess *access, TimestampTz now);

/* Stay away for a while, longer each time; and: all is well again. */
extern void pgnet_access_back_off(TableAccess *access);
extern void pgnet_access_succeeded(TableAccess *access);

#endif							/* PGNET_ACCESS_H */
