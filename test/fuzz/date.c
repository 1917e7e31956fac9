/*
 * date.c -- fuzzes src/policy/http_date.c and retry.c: Retry-After of a server.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "fuzz.h"
#include "policy/http_date.h"
#include "policy/retry.h"

/* 2026-11-28, in microseconds since 2000 */
#define NOW INT64CONST(849139200000000)

void
fuzz_date(const uint8 *data, size_t size)
{
	char	   *value = fuzz_string(&data, &size);
	Field		field = {"Retry-After", value};
	HttpOutcome outcome = {
		.kind = PGNET_OUTCOME_ANSWERED,
		.status_code = 503,
		.headers = &field,
		.nheaders = 1
	};
	TimestampTz date;
	int64		wait_us;

	if (value == NULL)
		return;
	if (pgnet_http_date_parse(value, NOW, &date))
		FUZZ_CHECK(IS_VALID_TIMESTAMP(date));
	wait_us = pgnet_retry_after_us(&outcome, NOW);
	FUZZ_CHECK(wait_us >= 0 && wait_us <= USECS_PER_DAY);
}
