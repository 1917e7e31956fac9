/*
 * recount.h -- counting anew what waits, for the quotas of roles.
 *
 * Runs in: workers.
 */
#ifndef PGNET_RECOUNT_H
#define PGNET_RECOUNT_H

#include "postgres.h"

#include "worker/access.h"

/* All zero: there is no need. */
typedef struct Recount
{
	bool		wanted;
	TimestampTz not_before;
	Backoff		backoff;
} Recount;

/* Count if that is wanted, and the last time is long ago. */
extern void pgnet_recount_run(Recount *recount, TableAccess *access,
							  TimestampTz now);

#endif							/* PGNET_RECOUNT_H */
