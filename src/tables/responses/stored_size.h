/*
 * stored_size.h -- how much room the stored responses of each role take.
 *
 * Runs in: workers, inside a transaction with the tables locked.
 */
#ifndef PGNET_STORED_SIZE_H
#define PGNET_STORED_SIZE_H

#include "postgres.h"

#include "storage/block.h"

/* Counted for each row beside its large values; includes index entries. */
#define PGNET_STORED_ROW_BYTES 200

/* role is InvalidOid for rows without one. */
typedef struct StoredSize
{
	Oid			role;
	uint64		bytes;			/* as they are stored, compressed or not */
} StoredSize;

/*
 * How many bytes the table and its TOAST table have on disk, including free
 * space.  *blocks is set to the number of blocks of the table alone.
 */
extern uint64 pgnet_responses_disk_size(BlockNumber *blocks);

/*
 * Count the responses in the blocks from first to last - 1.  Returns an array
 * of *nroles elements, palloc'd.
 */
extern StoredSize *pgnet_responses_count(BlockNumber first, BlockNumber last,
										 int *nroles);

#endif							/* PGNET_STORED_SIZE_H */
