/*
 * ordered_rows.h -- rows of the queue that have an ordering key.
 *
 * Runs in: workers, inside a transaction.
 */
#ifndef PGNET_ORDERED_ROWS_H
#define PGNET_ORDERED_ROWS_H

#include "postgres.h"

#include "nodes/pg_list.h"

/*
 * A row that holds its ordering key while it waits for its next attempt: others
 * with the key wait for it.
 */
typedef struct HeldRow
{
	int64		id;
	Oid			role;
	char	   *url;
	char	   *key;
} HeldRow;

/*
 * Such rows, at most so many; or those of nkeys pairs of role and key.  Lists
 * of HeldRow in the current memory context.
 */
extern List *pgnet_ordered_rows_held(int most);
extern List *pgnet_ordered_rows_held_of(const Oid *roles, char *const *keys,
										int nkeys);

/*
 * Which of these ids are of such rows?  They are put first, sorted; returns how
 * many there are.
 */
extern int	pgnet_ordered_rows_still_held(int64 *ids, int nids);

/*
 * Find the next rows that may be sent now: for each of nkeys pairs of role and
 * key, the first few with ids higher than after[].  Returns how many; their
 * *ids are allocated in the current memory context.  last_ids[] of a key is the
 * last of its ids if there may be more, else PG_INT64_MAX.
 */
extern int	pgnet_ordered_rows_next(const Oid *roles, char *const *keys,
									const int64 *after, int nkeys,
									int64 **ids, int64 *last_ids);

#endif							/* PGNET_ORDERED_ROWS_H */
