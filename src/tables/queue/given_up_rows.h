/*
 * given_up_rows.h -- rows of requests that were given up, in the order in which
 * they go.
 *
 * Runs in: workers, inside a transaction with the tables locked.
 */
#ifndef PGNET_GIVEN_UP_ROWS_H
#define PGNET_GIVEN_UP_ROWS_H

#include "postgres.h"

#include "tables/queue/queue.h"

typedef struct GivenUpRow
{
	int64		id;
	uint64		lane;			/* see pgnet_url_host_key() */
	int64		bytes;			/* of columns whose values can be long */
	char	   *host;			/* for a message; palloc'd */
} GivenUpRow;

/* Bytes on disk of the queue and its TOAST table, with free space. */
extern uint64 pgnet_queue_disk_size(void);

/*
 * Look at rows with a time, at most limit, from a place on, which moves behind
 * them; and read those that were given up: how many.  *end: there are no more.
 */
extern int	pgnet_given_up_read(DuePlace *place, int limit, GivenUpRow *rows,
								bool *end);

#endif							/* PGNET_GIVEN_UP_ROWS_H */
