/*
 * known_ids.h -- the rows that are known, by id.
 *
 * Runs in: workers.  Inline, and only lanes.c uses it.
 */
#ifndef PGNET_KNOWN_IDS_H
#define PGNET_KNOWN_IDS_H

#include "postgres.h"

#include "common/hashfn.h"

#include "worker/lane_queue.h"

typedef struct KnownId
{
	int64		id;
	LaneQueue  *queue;			/* that the id is charged to */
	char		status;
} KnownId;

#define SH_PREFIX known
#define SH_ELEMENT_TYPE KnownId
#define SH_KEY_TYPE int64
#define SH_KEY id
#define SH_HASH_KEY(table, key) \
	murmurhash32((uint32) (key) ^ (uint32) ((key) >> 32))
#define SH_EQUAL(table, a, b) ((a) == (b))
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

#endif							/* PGNET_KNOWN_IDS_H */
