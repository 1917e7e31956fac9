/*
 * expire.h -- removing old responses.
 *
 * Runs in: workers, inside a transaction.
 */
#ifndef PGNET_EXPIRE_H
#define PGNET_EXPIRE_H

#include "postgres.h"

#include "utils/timestamp.h"

/*
 * Remove up to limit responses created before the given time that nobody
 * holds locked, the oldest first but for so many, in a subtransaction; *count
 * is how many there were.  NULL, or the error it was rolled back for.
 */
extern ErrorData *pgnet_responses_try_expire(TimestampTz before, int skip,
											 int limit, int *count);

/* When the oldest response was created; false when there is none. */
extern bool pgnet_responses_oldest(TimestampTz *created);

#endif							/* PGNET_EXPIRE_H */
