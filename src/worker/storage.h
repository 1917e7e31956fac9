/*
 * storage.h -- how much is stored of a role's responses, and who has too much.
 *
 * Runs in: workers.
 *
 * Counting takes time, so it is done in steps, and only when all that is stored
 * takes more room than one role may have.  Whoever has more is without its
 * bodies from the end of that count on, or when it has twice as much.
 */
#ifndef PGNET_STORAGE_H
#define PGNET_STORAGE_H

#include "postgres.h"

#include "utils/hsearch.h"

#include "job.h"
#include "storage/block.h"
#include "worker/table_guard.h"

typedef struct Storage
{
	HTAB	   *roles;			/* what is known of each; NULL: no need */
	int			nfull;			/* of them, have too much */
	bool		recorded;		/* something, since the last look */
	bool		urgent;			/* somebody may have too much by now */

	bool		counting;
	BlockNumber next;			/* to be counted */
	BlockNumber blocks;			/* there were when it began */
	int64		spent_us;		/* counting */
	TimestampTz stepped;		/* when the last step ended */

	TimestampTz not_before;		/* the next step */
	TimestampTz not_before_urgent;
	Backoff		backoff;
} Storage;

/* A job has an outcome: leave out its body if its role has too much. */
extern void pgnet_storage_judge(Storage *storage, Job *job);

/* A job is recorded. */
extern void pgnet_storage_note(Storage *storage, const Job *job);

/* When to look or count on; DT_NOEND: never.  Less often while busy. */
extern TimestampTz pgnet_storage_due(const Storage *storage,
									 const TableGuard *guard, bool busy);

extern void pgnet_storage_run(Storage *storage, TableGuard *guard);

/* The tables are other ones, or the limit may be. */
extern void pgnet_storage_forget(Storage *storage);

#endif							/* PGNET_STORAGE_H */
