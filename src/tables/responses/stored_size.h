/*
 * stored_size.h -- how much room the stored responses of each role take.
 *
 * Runs in: workers, inside a transaction with the tables locked.
 */
#ifndef PGNET_STORED_SIZE_H
#define PGNET_STORED_SIZE_H

#include "postgres.h"

#include "storage/block.h"

/* What a row takes besides its variable parts, with its entries in indexes. */
#define PGNET_STORED_ROW_BYTES 200

/* Of one role; InvalidOid: nobody. */
typedef struct StoredSize
{
	Oid			role;
	uint64		bytes;			/* as they are stored, compressed or not */
} StoredSize;

/*
 * How many bytes the table has on disk, with what is not used now; and how many
 * blocks its rows are in, without their large values.
 */
extern uint64 pgnet_responses_disk_size(BlockNumber *blocks);

/*
 * Count what is in these blocks, from the first to before the last; palloc'd,
 * and how many roles there are.
 */
extern StoredSize *pgnet_responses_count(BlockNumber first, BlockNumber last,
										 int *nroles);

#endif							/* PGNET_STORED_SIZE_H */
