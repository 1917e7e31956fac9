/*
 * ordered_rows.h -- rows of the queue that have an ordering key.
 *
 * Runs in: workers, inside a transaction.
 */
#ifndef PGNET_ORDERED_ROWS_H
#define PGNET_ORDERED_ROWS_H

#include "postgres.h"

#include "nodes/pg_list.h"

/* A row whose next attempt others with its key wait for. */
typedef struct HeldRow
{
	int64		id;
	Oid			role;
	char	   *url;
	char	   *key;
} HeldRow;

/* All of them: HeldRow, in the current memory context. */
extern List *pgnet_ordered_rows_held(void);

/* Of these ids, those of such rows come first; how many. */
extern int	pgnet_ordered_rows_still_held(int64 *ids, int nids);

/*
 * Rows of these roles and keys that may be sent now, with higher ids than
 * these, the first few of each: ids in the current memory context; how many.
 * last_ids: where there may be more of a key, the last one, else PG_INT64_MAX.
 */
extern int	pgnet_ordered_rows_next(const Oid *roles, char *const *keys,
									const int64 *after, int nkeys,
									int64 **ids, int64 *last_ids);

#endif							/* PGNET_ORDERED_ROWS_H */
