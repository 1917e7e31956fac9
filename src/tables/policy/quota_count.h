/*
 * quota_count.h -- how much waits in the queue, by role.
 *
 * Runs in: workers, inside a transaction.
 */
#ifndef PGNET_QUOTA_COUNT_H
#define PGNET_QUOTA_COUNT_H

#include "postgres.h"

/* What of one role waits, or will when it is committed; InvalidOid: nobody. */
typedef struct Waiting
{
	Oid			role;
	uint64		rows;
	uint64		bytes;			/* of URLs, headers and bodies */
} Waiting;

/* Count all; palloc'd, in order of role, and how many roles there are. */
extern Waiting *pgnet_waiting_count(int *nroles);

/* Is a transaction of this database prepared that began before that one? */
extern bool pgnet_waiting_is_prepared(TransactionId before);

#endif							/* PGNET_QUOTA_COUNT_H */
