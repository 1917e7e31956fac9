/*
 * waiting.h -- how much waits in the queue, by role.
 *
 * Runs in: workers, inside a transaction.
 */
#ifndef PGNET_WAITING_H
#define PGNET_WAITING_H

#include "postgres.h"

/* What of one role waits; InvalidOid: of nobody known. */
typedef struct Waiting
{
	Oid			role;
	uint64		rows;
	uint64		bytes;			/* roughly: of URLs, headers and bodies */
} Waiting;

/* Count all; palloc'd, and how many roles there are. */
extern Waiting *pgnet_waiting_count(int *nroles);

#endif							/* PGNET_WAITING_H */
