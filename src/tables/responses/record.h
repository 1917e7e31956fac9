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
	PGNET_RECORD_NO_TRIGGERS,	/* triggers of users do not fire */
	PGNET_RECORD_REMOVE_ONLY	/* no response is stored, either */
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
 * The same in a subtransaction: returns NULL, or the error for which it was
 * rolled back.  Runs in: workers.
 */
extern ErrorData *pgnet_responses_try_record(Oid table,
											 Job *const *jobs,
											 int njobs, RecordMode mode);

/*
 * Sort jobs by whether somebody else has locked their rows: those that are free
 * come first, in their order, and are locked now.  Returns how many they are.
 * Runs in: workers.
 */
extern int	pgnet_responses_recordable(Job **jobs, int njobs);

#endif							/* PGNET_RECORD_H */
