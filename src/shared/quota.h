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

#include "port/atomics.h"

/* Pairs of database and role that can be counted, and the others are not. */
#define PGNET_MAX_QUOTAS 2048

/* What of a role waits in one database. */
typedef struct QuotaCounter
{
	pg_atomic_uint64 whose;		/* database and role; 0: nobody's yet */
	pg_atomic_uint64 rows;
	pg_atomic_uint64 bytes;
} QuotaCounter;

/*
 * Count a row of a role of our database, unless that makes more than so many
 * rows or bytes (0: any number): then false, and *rows and *bytes are what
 * waits.  The abort of the (sub)transaction takes it back.
 */
extern bool pgnet_quota_take(Oid role, uint64 size, uint64 max_rows,
							 uint64 max_bytes, uint64 *rows, uint64 *bytes);

/* A row of a role of our database is gone. */
extern void pgnet_quota_give(Oid role, uint64 size);

/* Nothing of any role of our database waits; then, this does. */
extern void pgnet_quota_clear(void);
extern void pgnet_quota_set(Oid role, uint64 rows, uint64 bytes);

#endif							/* PGNET_QUOTA_H */
