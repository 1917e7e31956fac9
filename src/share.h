/*
 * share.h -- how much of something finite one party may have.
 *
 * Runs in: every process.
 */
#ifndef PGNET_SHARE_H
#define PGNET_SHARE_H

#include "postgres.h"

/* Which part of what the others have left is not for a party: one in ... */
#define PGNET_REST_OF_ONE 16 /* nobody else wants any */
#define PGNET_REST_OF_ROLES 4 /* others do: other roles, or databases, */
#define PGNET_REST_OF_LANES 2 /* or other lanes of the same role */

/*
 * How much may a party have of a limit of which others have so much?  All that
 * is left, but for a rest, so that whoever comes next finds something.  Of less
 * than the rest is a part of, nothing is left over: such a limit is first come
 * first served.
 *
 * This is the rule of dynamic thresholds for shared packet buffers (Choudhury
 * and Hahne, 1998): where one in four is left, n parties that want all they can
 * get have 3/(3n+1) of the limit each, so the more there are, the less stays
 * unused.
 */
static inline int64
pgnet_share(int64 limit, int64 others, int rest)
{
	int64		left = Max(limit - others, 0);

	return left - left / rest;
}

#endif							/* PGNET_SHARE_H */
