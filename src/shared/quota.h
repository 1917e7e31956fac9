/*
 * quota.h -- how much of each role waits.
 *
 * Runs in: every process.  The numbers are a little off at times: rows that
 * are removed by hand count until the worker has counted anew, and those
 * inserted by hand do not count until then.
 */
#ifndef PGNET_QUOTA_H
#define PGNET_QUOTA_H

#include "postgres.h"

/* For memory.c, after the area. */
extern Size pgnet_quota_memory_size(void);
extern void pgnet_quota_memory_init(void *memory, int lock_tranche);

/* What a transaction has taken of a role's quota. */
typedef struct QuotaTaken
{
	Oid			role;
	uint64		rows;
	uint64		bytes;
} QuotaTaken;

/*
 * Count a row of a role of our database, unless that exceeds max_rows or
 * max_bytes (0: no limit).  Then it returns false, and *rows and *bytes are
 * what is queued.  The abort of the (sub)transaction, or ROLLBACK PREPARED
 * (prepared.c), takes it back.  Throws if memory is short.
 */
extern bool pgnet_quota_take(Oid role, uint64 size, uint64 max_rows,
							 uint64 max_bytes, uint64 *rows, uint64 *bytes);

/* What this transaction has taken so far, palloc'd.  Returns how many. */
extern int	pgnet_quota_taken(QuotaTaken **list);

/*
 * Rows of a role of our database were removed, and bytes with them.  bytes is
 * negative if other rows have grown by more than that: they were not asked for,
 * so no limit applies.
 */
extern void pgnet_quota_give(Oid role, uint64 rows, int64 bytes);

/*
 * For the worker, which counted the queue of our database: set the counter of a
 * role; reset those of all other roles.  If pgnet_quota_aborts() changed while
 * it counted, it may have counted rows that an abort took back, and must count
 * again.
 */
extern uint32 pgnet_quota_aborts(void);
extern void pgnet_quota_set(Oid role, uint64 rows, uint64 bytes);
extern void pgnet_quota_keep_only(const Oid *sorted_roles, int nroles);

/* How many rows wait in a database, those of open transactions among them. */
extern int64 pgnet_quota_rows(Oid database);

/* Remove the counters of a database that was dropped. */
extern void pgnet_quota_forget(Oid database);

#endif							/* PGNET_QUOTA_H */
