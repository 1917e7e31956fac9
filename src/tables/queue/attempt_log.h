/*
 * attempt_log.h -- the log of failed attempts, in the column failures.
 *
 * Runs in: client backends and workers.
 *
 * It is an array, the oldest entry first.  An attempt is an object
 *
 *   {"due": time, "at": time, "ms": 31.2, "status": 503, "error": text,
 *    "body": text}
 *
 * due is null if it was due at once; at and ms are null if nothing was sent;
 * body is the beginning of the response body if that is text.  An object
 * {"resent": time, "due": time, "role": name} begins a new round.  Times are
 * ISO 8601 in UTC.  Users can write to the column, so anything may be in it:
 * what does not look like this is ignored.
 */
#ifndef PGNET_ATTEMPT_LOG_H
#define PGNET_ATTEMPT_LOG_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "utils/jsonb.h"

#include "job.h"

/* What a log says.  In all of these functions, a log of NULL is empty. */
typedef struct AttemptLogSummary
{
	int			failed;			/* attempts of the current round */
	int			sent;			/* how many of them were sent */
	int			sent_before;	/* attempts sent in earlier rounds */
	char	   *reason;			/* status or error of the last one, or NULL */
} AttemptLogSummary;

extern AttemptLogSummary pgnet_attempt_log_summary(Jsonb *log);

/*
 * The log of a job, with the attempt that is over as its last entry; allocated
 * in the current memory context.  Runs in: workers, inside a transaction.
 */
extern Jsonb *pgnet_attempt_log_add(const Job *job);

/*
 * When the first attempt of the current round was due.  due is the column of
 * the row, 0 for null; queued is when it was queued.
 */
extern TimestampTz pgnet_attempt_log_since(Jsonb *log, TimestampTz due,
										   TimestampTz queued);

/* A log with the entry that begins a new round; palloc'd. */
extern Jsonb *pgnet_attempt_log_resend(Jsonb *log, TimestampTz now,
									   TimestampTz due, const char *role);

/* The status code of an outcome, or its error; palloc'd. */
extern char *pgnet_attempt_reason(const HttpOutcome *outcome);

/*
 * The error of the response of a request that is given up after nsent attempts,
 * palloc'd.  reason is pgnet_attempt_reason() of the last one, or NULL.
 */
extern char *pgnet_gave_up_message(int nsent, const char *reason);

#endif							/* PGNET_ATTEMPT_LOG_H */
