/*
 * ids.h -- sets of request ids.
 */
#ifndef PGNET_IDS_H
#define PGNET_IDS_H

#include "postgres.h"

/* Put ids in order, in place. */
extern void pgnet_ids_sort(int64 *ids, int nids);

/* Is id one of these?  They are in order. */
extern bool pgnet_ids_contain(const int64 *ids, int nids, int64 id);

/* The ids as a bigint[] in the current memory context. */
extern Datum pgnet_ids_array(const int64 *ids, int nids);

#endif							/* PGNET_IDS_H */
