/*
 * retry.h -- when a request is sent again, and what becomes of it if not.
 *
 * Runs in: every process.
 */
#ifndef PGNET_RETRY_H
#define PGNET_RETRY_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "utils/array.h"

#include "exchange.h"

/* Most delays of a schedule. */
#define PGNET_MAX_DELAYS 50

/*
 * The delays of a schedule, an interval[], in microseconds in
 * CurrentMemoryContext; how many.  -1 when it is not a schedule: *problem says
 * why, palloc'd, as in exchange.h.
 */
extern int	pgnet_retry_parse(ArrayType *retry, int64 **delays_us,
							  char **problem);

/* What is to become of a request; all zero: one attempt, whatever comes. */
typedef struct RetryPolicy
{
	int			ndelays;		/* of its schedule; 0: none */
	int			failed;			/* attempts of this round that failed before */
	bool		retry_all;		/* with a schedule: all but 2xx is a failure */
	bool		keeps_refused;	/* what may not go out is given up */
} RetryPolicy;

/* What becomes of a request whose attempt is over. */
extern Disposition pgnet_retry_decide(const HttpOutcome *outcome,
									  const RetryPolicy *policy);

/*
 * When the next attempt is due: after delay_us, times a random factor from 0.8
 * to 1.2, or as the response asks for, if that is later.  ended: when the
 * attempt was over.
 */
extern TimestampTz pgnet_retry_due(const HttpOutcome *outcome,
								   TimestampTz ended, int64 delay_us);

/*
 * How long the Retry-After of a response asks to wait, in microseconds, at most
 * a day; 0: it does not.  ended: when the response was complete.
 */
extern int64 pgnet_retry_after_us(const HttpOutcome *outcome,
								  TimestampTz ended);

/* Is it a status of success? */
static inline bool
pgnet_is_success(const HttpOutcome *outcome)
{
	return outcome->kind == PGNET_OUTCOME_ANSWERED &&
		outcome->status_code >= 200 && outcome->status_code < 300;
}

#endif							/* PGNET_RETRY_H */
