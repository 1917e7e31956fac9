/*
 * held_ids.h -- a set of ids, as a hash table.
 *
 * Runs in: workers.  Inline, and only backlog.c uses it.
 */
#ifndef PGNET_HELD_IDS_H
#define PGNET_HELD_IDS_H

#include "postgres.h"

#include "common/hashfn.h"

typedef struct HeldId
{
	int64		id;
	char		status;
} HeldId;

#define SH_PREFIX held
#define SH_ELEMENT_TYPE HeldId
#define SH_KEY_TYPE int64
#define SH_KEY id
#define SH_HASH_KEY(table, key) \
	murmurhash32((uint32) (key) ^ (uint32) ((key) >> 32))
#define SH_EQUAL(table, a, b) ((a) == (b))
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

#endif							/* PGNET_HELD_IDS_H */
