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
 * Remove up to limit responses that were created before a time, that no
 * function is still to be called with and that nobody holds locked, the oldest
 * first; skip the oldest skip of them.  In a subtransaction: returns NULL, and
 * *count is how many were removed, or the error for which it was rolled back.
 */
extern ErrorData *pgnet_responses_try_expire(TimestampTz before, int skip,
											 int limit, int *count);

/*
 * When the oldest response was created, but for those before a time that a
 * function is still to be called with; false if there is none.
 */
extern bool pgnet_responses_oldest(TimestampTz before, TimestampTz *created);

#endif							/* PGNET_EXPIRE_H */
