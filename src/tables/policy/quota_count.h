/*
 * quota_count.h -- how much is queued, by role.
 *
 * Runs in: workers, inside a transaction.
 */
#ifndef PGNET_QUOTA_COUNT_H
#define PGNET_QUOTA_COUNT_H

#include "postgres.h"

/* What of a role is queued, committed or not yet. */
typedef struct Waiting
{
	Oid			role;
	uint64		rows;
	uint64		bytes;			/* see pgnet_queue_row_stored_size() */
} Waiting;

/* The rows of the queue by what is to become of them. */
typedef struct QueueCount
{
	int64		scheduled;		/* not given up, and due later */
	int64		gave_up;
	int64		last_id;		/* the highest of them all */
} QueueCount;

/* Count the queue; palloc'd, sorted by role. */
extern Waiting *pgnet_waiting_count(int *nroles, QueueCount *count);

/* Is there a prepared transaction of this database that is older than that? */
extern bool pgnet_waiting_is_prepared(TransactionId before);

#endif							/* PGNET_QUOTA_COUNT_H */
