/*
 * attempt_log.h -- the log of failed attempts, in the column failures.
 *
 * Runs in: client backends and workers.
 *
 * An array, oldest entry first.  An attempt is an object
 *
 *   {"due": time, "at": time, "ms": 31.2, "status": 503, "error": text,
 *    "body": text}
 *
 * where due is null for at once, at and ms when nothing was sent, and body is
 * the first characters of a text.  {"resent": time, "due": time, "role": name}
 * begins a new round.  Times are ISO 8601 in UTC.  Users can write to the
 * column: whatever is something else counts for nothing.
 */
#ifndef PGNET_ATTEMPT_LOG_H
#define PGNET_ATTEMPT_LOG_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "utils/jsonb.h"

#include "job.h"

/* What a log says.  A log may be NULL, which is empty. */
typedef struct AttemptLogSummary
{
	int			failed;			/* attempts of the last round */
	int			sent;			/* those of them that were sent */
	int			sent_before;	/* attempts sent in earlier rounds */
	char	   *reason;			/* status or error of the last one, or NULL */
} AttemptLogSummary;

extern AttemptLogSummary pgnet_attempt_log_summary(Jsonb *log);

/*
 * The log of a job with its last attempt at the end, in the current memory
 * context.  Runs in: workers, inside a transaction.
 */
extern Jsonb *pgnet_attempt_log_add(const Job *job);

/*
 * Since when a request counts as being under way, by its log: when it was due
 * first, or again after it was sent by hand.  due: of its row; 0: at once.
 */
extern TimestampTz pgnet_attempt_log_since(Jsonb *log, TimestampTz due,
										   TimestampTz queued);

/* A log with the beginning of a new round at its end. */
extern Jsonb *pgnet_attempt_log_resend(Jsonb *log, TimestampTz now,
									   TimestampTz due, const char *role);

/* Status or error of a job's last attempt, palloc'd. */
extern char *pgnet_attempt_reason(const HttpOutcome *outcome);

/* What the response of a request says that was given up. */
extern char *pgnet_gave_up_message(int nsent, const char *reason);

#endif							/* PGNET_ATTEMPT_LOG_H */
