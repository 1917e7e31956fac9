/*
 * ids.h -- sets of request ids.
 *
 * Runs in: client backends and workers.
 */
#ifndef PGNET_IDS_H
#define PGNET_IDS_H

#include "postgres.h"

/* Sort ids in place. */
extern void pgnet_ids_sort(int64 *ids, int nids);

/* Is id one of these, which are sorted? */
extern bool pgnet_ids_contain(const int64 *ids, int nids, int64 id);

/* The ids as a bigint[], allocated in the current memory context. */
extern Datum pgnet_ids_array(const int64 *ids, int nids);

#endif							/* PGNET_IDS_H */
