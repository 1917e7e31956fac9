/*
 * record.h -- net._http_response: what became of requests.
 */
#ifndef PGNET_RECORD_H
#define PGNET_RECORD_H

#include "postgres.h"

#include "utils/timestamp.h"

#include "job.h"

/* How much may change when outcomes are recorded. */
typedef enum RecordMode
{
	PGNET_RECORD_NORMAL,		/* as any statement: triggers fire */
	PGNET_RECORD_NO_TRIGGERS,	/* user triggers failed: leave them out */
	PGNET_RECORD_REMOVE_ONLY	/* give up the response, remove the row */
} RecordMode;

/*
 * Store the outcomes and remove their rows from the queue, in the current
 * transaction, with the tables locked.  Requests of another table than the
 * locked one, gone since, are left out.  Throws whatever the tables' triggers
 * and constraints throw.  Runs in: workers.
 */
extern void pgnet_responses_record(Oid table, Job *const *jobs,
								   int njobs, RecordMode mode);

/*
 * The same in a subtransaction: NULL, or the error it was rolled back for.
 * Runs in: workers.
 */
extern ErrorData *pgnet_responses_try_record(Oid table,
											 Job *const *jobs,
											 int njobs, RecordMode mode);

/*
 * Of these ids, drop those whose queue row somebody else holds locked: the
 * others are moved to the front, and their number returned.  Their rows are
 * locked.  Runs in: workers.
 */
extern int	pgnet_responses_recordable(Job **jobs, int njobs);

/*
 * Remove up to limit responses created before the given time that nobody
 * holds locked, the oldest first but for so many, in a subtransaction; *count
 * is how many there were.  NULL, or the error it was rolled back for.  Runs
 * in: workers.
 */
extern ErrorData *pgnet_responses_try_expire(TimestampTz before, int skip,
											 int limit, int *count);

/* When the oldest response was created; false when there is none. */
extern bool pgnet_responses_oldest(TimestampTz *created);

#endif							/* PGNET_RECORD_H */
