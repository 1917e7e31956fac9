/*
 * recount.h -- counting what is queued, for the quotas of roles.
 *
 * Runs in: workers.
 */
#ifndef PGNET_RECOUNT_H
#define PGNET_RECOUNT_H

#include "postgres.h"

#include "worker/table_guard.h"

/* All zero: nothing to do. */
typedef struct Recount
{
	bool		wanted;
	TimestampTz not_before;
	int			repeats;		/* in a row, because transactions aborted */
	Backoff		backoff;
} Recount;

/* When to call _run(); DT_NOEND: never. */
extern TimestampTz pgnet_recount_due(const Recount *recount,
									 const TableGuard *guard);

extern void pgnet_recount_run(Recount *recount, TableGuard *guard);

#endif							/* PGNET_RECOUNT_H */
