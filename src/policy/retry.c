/*
 * retry.c -- when a request is sent again, and what becomes of it if not.
 *
 * Runs in: every process.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/pg_prng.h"
#include "utils/timestamp.h"

#include "policy/http_date.h"
#include "policy/retry.h"

#define MAX_DELAY_DAYS 365

/* A Retry-After of more counts as this much. */
#define MAX_RETRY_AFTER_US USECS_PER_DAY

/* The delay is multiplied by a random factor in this range. */
#define LEAST_JITTER 0.8
#define MOST_JITTER 1.2

static bool is_failure(const HttpOutcome *outcome, const RetryPolicy *policy);
static bool aborts(const HttpOutcome *outcome);
static bool may_pass(int status);
static bool read_delay(const Interval *interval, int64 *delay_us);
static int64 retry_after_us(const char *value, TimestampTz now);

int
pgnet_retry_parse(ArrayType *retry, int64 **delays_us, char **problem)
{
	Datum	   *elements;
	bool	   *nulls;
	int			count;

	if (ARR_NDIM(retry) > 1)
	{
		*problem = pstrdup("a retry schedule must be a one-dimensional array");
		return -1;
	}
	deconstruct_array(retry, INTERVALOID, sizeof(Interval), false,
					  TYPALIGN_DOUBLE, &elements, &nulls, &count);
	if (count > PGNET_MAX_DELAYS)
	{
		*problem = psprintf("a retry schedule may have at most %d delays, not %d",
							PGNET_MAX_DELAYS, count);
		return -1;
	}
	*delays_us = palloc(sizeof(int64) * Max(count, 1));
	for (int i = 0; i < count; i++)
	{
		if (nulls[i])
		{
			*problem = pstrdup("a delay of a retry schedule must not be null");
			return -1;
		}
		if (!read_delay(DatumGetIntervalP(elements[i]), &(*delays_us)[i]))
		{
			*problem =
				psprintf("a delay of a retry schedule must be between 0 and %d days",
						 MAX_DELAY_DAYS);
			return -1;
		}
	}
	return count;
}

/* A delay in microseconds, a month being 30 days; false: out of range. */
static bool
read_delay(const Interval *interval, int64 *delay_us)
{
	double		days = interval->month * (double) DAYS_PER_MONTH +
		interval->day + interval->time / (double) USECS_PER_DAY;

	if (days < 0 || days > MAX_DELAY_DAYS)
		return false;
	*delay_us = ((int64) interval->month * DAYS_PER_MONTH + interval->day) *
			USECS_PER_DAY +
		interval->time;
	return true;
}

Disposition
pgnet_retry_decide(const HttpOutcome *outcome, const RetryPolicy *policy)
{
	bool		answered = outcome->kind == PGNET_OUTCOME_ANSWERED;

	if (answered && !is_failure(outcome, policy))
		return PGNET_DONE;
	if (outcome->refused && policy->keeps_refused)
		return PGNET_GAVE_UP;
	if (policy->ndelays == 0)
		return PGNET_FAILED;
	if (answered ? aborts(outcome) : outcome->is_final)
		return PGNET_GAVE_UP;
	return policy->failed < policy->ndelays ? PGNET_AGAIN : PGNET_GAVE_UP;
}

/* Is a response one after which a request is not done? */
static bool
is_failure(const HttpOutcome *outcome, const RetryPolicy *policy)
{
	if (policy->ndelays == 0 || pgnet_is_success(outcome))
		return false;
	return policy->retry_all ||
		(may_pass(outcome->status_code) && !aborts(outcome));
}

/* Does the receiver want no more of this message (Standard Webhooks)? */
static bool
aborts(const HttpOutcome *outcome)
{
	const char *delivery = pgnet_headers_find(outcome->headers,
											  outcome->nheaders,
											  "webhook-delivery");

	return outcome->status_code == 410 ||
		(delivery != NULL && strcmp(delivery, "abort-message") == 0);
}

/* May another attempt have another status? */
static bool
may_pass(int status)
{
	return status == 408 || status == 425 || status == 429 ||
		(status >= 500 && status <= 599 && status != 501 && status != 505);
}

TimestampTz
pgnet_retry_due(const HttpOutcome *outcome, TimestampTz ended, int64 delay_us)
{
	double		random = pg_prng_double(&pg_global_prng_state);
	double		jitter = LEAST_JITTER + (MOST_JITTER - LEAST_JITTER) * random;
	int64		wait_us = (int64) (delay_us * jitter);

	return ended + Max(wait_us, pgnet_retry_after_us(outcome, ended));
}

int64
pgnet_retry_after_us(const HttpOutcome *outcome, TimestampTz ended)
{
	const char *value = NULL;

	if (outcome->kind == PGNET_OUTCOME_ANSWERED)
		value = pgnet_headers_find(outcome->headers, outcome->nheaders,
								   "Retry-After");
	return value ? retry_after_us(value, ended) : 0;
}

/*
 * How long to wait by a Retry-After (RFC 9110, section 10.2.3): so many
 * seconds, or until a date.  0 for anything else.
 */
static int64
retry_after_us(const char *value, TimestampTz now)
{
	size_t		digits = strspn(value, "0123456789");
	TimestampTz date;
	int64		wait_us;

	if (digits > 0 && value[digits] == '\0')
		/* more digits than a day of seconds has are more than a day */
		wait_us = digits > 9 ? MAX_RETRY_AFTER_US :
							   strtol(value, NULL, 10) * USECS_PER_SEC;
	else if (pgnet_http_date_parse(value, now, &date))
		wait_us = date - now;
	else
		return 0;
	return Min(Max(wait_us, 0), MAX_RETRY_AFTER_US);
}
