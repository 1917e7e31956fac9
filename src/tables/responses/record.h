/*
 * record.h -- net._http_response: what became of requests.
 */
#ifndef PGNET_RECORD_H
#define PGNET_RECORD_H

#include "postgres.h"

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

#endif							/* PGNET_RECORD_H */
