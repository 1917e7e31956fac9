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
 * Count a row of a role of our database, unless that makes more than so many
 * rows or bytes (0: any number): then false, and *rows and *bytes are what
 * waits.  The abort of the (sub)transaction takes it back, and so does
 * ROLLBACK PREPARED: see prepared.c.  Throws when memory is short.
 */
extern bool pgnet_quota_take(Oid role, uint64 size, uint64 max_rows,
							 uint64 max_bytes, uint64 *rows, uint64 *bytes);

/* What this transaction has taken so far; how many, palloc'd. */
extern int	pgnet_quota_taken(QuotaTaken **list);

/* Rows of a role of our database are gone. */
extern void pgnet_quota_give(Oid role, uint64 rows, uint64 bytes);

/*
 * So much of a role of our database waits; of all but these, nothing.  If
 * pgnet_quota_aborts() has changed since that was counted, rows may have been
 * counted that are gone, and nobody takes them off.
 */
extern uint32 pgnet_quota_aborts(void);
extern void pgnet_quota_set(Oid role, uint64 rows, uint64 bytes);
extern void pgnet_quota_keep_only(const Oid *sorted_roles, int nroles);

/* A database is gone. */
extern void pgnet_quota_forget(Oid database);

#endif							/* PGNET_QUOTA_H */
