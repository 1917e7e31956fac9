/*
 * storage.h -- how much is stored of a role's responses, and who has too much.
 *
 * Runs in: workers.
 *
 * Counting takes time, so it is done in steps, and only while the whole table
 * is larger than what one role may have.  A role has too much if a count says
 * so, or if it seems to have twice its limit.  Its responses are then stored
 * without headers and body, until a count says otherwise.
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
	HTAB	   *roles;			/* RoleStorage; NULL: the table is small */
	int			nfull;			/* how many roles have too much */
	bool		recorded;		/* responses, since the last count began */
	bool		urgent;			/* a role may have too much by now */

	bool		counting;
	BlockNumber next;			/* the next block to count */
	BlockNumber blocks;			/* of the table when the count began */
	int64		spent_us;		/* in the steps of this count */
	TimestampTz stepped;		/* when the last step ended */

	TimestampTz not_before;		/* when the next count may begin */
	TimestampTz not_before_urgent;	/* the same if it is urgent */
	Backoff		backoff;
} Storage;

/* Have headers and body of an outcome left out if its role has too much. */
extern void pgnet_storage_judge(Storage *storage, Job *job);

/* A job was recorded: add the size of its response. */
extern void pgnet_storage_note(Storage *storage, const Job *job);

/* When to run; DT_NOEND: not now.  busy: the network has work. */
extern TimestampTz pgnet_storage_due(const Storage *storage,
									 const TableGuard *guard, bool busy);

/* Begin a count if there is need, or do a step of the current one. */
extern void pgnet_storage_run(Storage *storage, TableGuard *guard);

/* The tables were replaced, or the limit may have changed: begin again. */
extern void pgnet_storage_forget(Storage *storage);

#endif							/* PGNET_STORAGE_H */
