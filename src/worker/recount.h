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
	int			repeats;		/* since transactions ended meanwhile */
	Backoff		backoff;
} Recount;

/* When to count; DT_NOEND: never. */
extern TimestampTz pgnet_recount_due(const Recount *recount,
									 const TableAccess *access);

extern void pgnet_recount_run(Recount *recount, TableAccess *access);

#endif							/* PGNET_RECOUNT_H */
