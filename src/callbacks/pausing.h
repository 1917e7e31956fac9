/*
 * pausing.h -- pausing the endpoints that workers found to be paused.
 *
 * Runs in: the process of the callbacks, in the turn of the tables' owner, who
 * changes the row: triggers of users fire.
 */
#ifndef PGNET_PAUSING_H
#define PGNET_PAUSING_H

#include "postgres.h"

#include "shared/pauses.h"

/* What became of one; NULL for reason: nothing is to be said. */
typedef struct Pausing
{
	Pause		pause;
	const char *reason;			/* palloc'd */
	bool		over;			/* it need not be done any more */
} Pausing;

/* Pause an endpoint, in a transaction as the owner of the tables. */
extern void pgnet_pausing_try(Pausing *pausing);

/*
 * After the commit, or with the error that it was rolled back for: say so, and
 * try again later if it could not be done.
 */
extern void pgnet_pausing_end(const Pausing *pausing, const ErrorData *error);

#endif							/* PGNET_PAUSING_H */
