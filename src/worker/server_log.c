/*
 * server_log.c -- what the log of the server says of endpoints and attempts.
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/timestamp.h"

#include "endpoint_url.h"
#include "settings.h"
#include "shared/lane_stats.h"
#include "worker/counting.h"
#include "worker/server_log.h"

/* So many lines on endpoints are written in so much time. */
#define MAX_LINES 10
#define PERIOD_US USECS_PER_MINUTE

/* What happens to endpoints. */
typedef enum Change
{
	BEGAN_TO_FAIL,
	IS_WELL,
	IS_RESUMED
} Change;

/* Since the first line of this period, which ends then. */
static int	nlines = 0;
static int	not_said[IS_RESUMED + 1];
static TimestampTz period_ends = 0;

static bool may_say(Change change, TimestampTz now);
static bool is_any_not_said(void);
static TimestampTz wall_clock(TimestampTz time, TimestampTz now);
static const char *name_of(const char *url);
static const char *result_of(const Job *job);
static void add_phase(StringInfo line, const char *name, int64 us);
static const char *disposition_of(const Job *job);
static bool is_failed(const Job *job);
static char *one_line(const char *message);

void
pgnet_server_log_failing(const Job *job, TimestampTz until, TimestampTz now)
{
	const char *name;

	if (!may_say(BEGAN_TO_FAIL, now))
		return;
	name = name_of(job->request.url);
	ereport(LOG,
			errmsg("endpoint \"%s\" is failing: %s", name, result_of(job)),
			errdetail("Requests to it wait. One of them tries it after %s.",
					  timestamptz_to_str(wall_clock(until, now))),
			errhint("Look at net.stat_endpoint. To try it at once: UPDATE net.endpoint SET back_off = back_off WHERE name = '%s'",
					name));
}

void
pgnet_server_log_well(const Job *job, TimestampTz since, TimestampTz now)
{
	if (may_say(IS_WELL, now))
		ereport(LOG,
				errmsg("endpoint \"%s\" is no longer failing",
					   name_of(job->request.url)),
				errdetail("Requests to it have been held since %s, and are sent again.",
						  timestamptz_to_str(wall_clock(since, now))));
}

void
pgnet_server_log_resumed(const char *endpoint, TimestampTz now)
{
	if (may_say(IS_RESUMED, now))
		ereport(LOG,
				errmsg("endpoint \"%s\" is no longer paused",
					   name_of(endpoint)));
}

/* Is there room for a line?  If not, count what it would say. */
static bool
may_say(Change change, TimestampTz now)
{
	if (now >= period_ends)
	{
		pgnet_server_log_sum_up(now);
		nlines = 0;
		period_ends = now + PERIOD_US;
	}
	if (nlines < MAX_LINES)
	{
		nlines++;
		return true;
	}
	not_said[change]++;
	return false;
}

TimestampTz
pgnet_server_log_due(void)
{
	return is_any_not_said() ? period_ends : DT_NOEND;
}

void
pgnet_server_log_sum_up(TimestampTz now)
{
	if (!is_any_not_said() || now < period_ends)
		return;
	ereport(LOG,
			errmsg("further endpoints began to fail: %d, are no longer failing: %d, are no longer paused: %d",
				   not_said[BEGAN_TO_FAIL], not_said[IS_WELL],
				   not_said[IS_RESUMED]),
			errdetail("At most %d changes a minute are logged one by one.",
					  MAX_LINES),
			errhint("SELECT endpoint, state, last_error FROM net.stat_endpoint WHERE state <> 'ok'"));
	memset(not_said, 0, sizeof(not_said));
}

static bool
is_any_not_said(void)
{
	return not_said[BEGAN_TO_FAIL] + not_said[IS_WELL] +
		not_said[IS_RESUMED] >
		0;
}

/* A time of pgnet_clock_now(), when that is now, by the wall clock. */
static TimestampTz
wall_clock(TimestampTz time, TimestampTz now)
{
	return GetCurrentTimestamp() + (time - now);
}

/* The name of an endpoint, or scheme, host and port. */
static const char *
name_of(const char *url)
{
	char		name[PGNET_LANE_NAME_BYTES];

	return pgnet_counting_name(url, name) ? one_line(name) : "-";
}

/* The status of a response, or why there is none. */
static const char *
result_of(const Job *job)
{
	const HttpOutcome *outcome = &job->outcome;

	if (outcome->kind == PGNET_OUTCOME_ANSWERED)
		return psprintf("%d", outcome->status_code);
	return outcome->error ? one_line(outcome->error) : "-";
}

void
pgnet_server_log_attempt(const Job *job)
{
	const HttpMetrics *metrics = &job->metrics;
	int			least_ms = pgnet_setting_log_min_duration;
	bool		is_slow = least_ms >= 0 &&
		metrics->duration_us >= least_ms * INT64CONST(1000);
	StringInfoData line;

	/* what did not get as far as that is no attempt */
	if (metrics->attempts == 0 || metrics->started == 0)
		return;
	if (!is_slow && !(pgnet_setting_log_failures && is_failed(job)))
		return;
	initStringInfo(&line);
	appendStringInfo(&line, "duration: %.3f ms",
					 Max(metrics->duration_us, 0) / 1000.0);
	add_phase(&line, "DNS", metrics->dns_us);
	add_phase(&line, "connect", metrics->connect_us);
	add_phase(&line, "TLS", metrics->tls_us);
	add_phase(&line, "first byte", metrics->first_byte_us);
	ereport(LOG,
			errmsg("attempt %d of request " INT64_FORMAT ": %s %s%s: %s%s, %s",
				   job->delivery.failed + 1, job->id,
				   one_line(job->request.method),
				   pgnet_url_is_endpoint(job->request.url) ? "net://" : "",
				   name_of(job->request.url), result_of(job),
				   disposition_of(job), line.data));
	pfree(line.data);
}

static void
add_phase(StringInfo line, const char *name, int64 us)
{
	if (us != PGNET_NOT_MEASURED)
		appendStringInfo(line, ", %s: %.3f ms", name, us / 1000.0);
}

/* What becomes of the request, if it does not just end. */
static const char *
disposition_of(const Job *job)
{
	switch (job->delivery.disposition)
	{
		case PGNET_AGAIN:
			return ", will be sent again";
		case PGNET_GAVE_UP:
			return ", given up";
		case PGNET_DONE:
		case PGNET_FAILED:
			break;
	}
	return "";
}

/* A response is a failure if the request's schedule makes it one. */
static bool
is_failed(const Job *job)
{
	return job->outcome.kind != PGNET_OUTCOME_ANSWERED ||
		job->delivery.disposition != PGNET_DONE;
}

/* What may come from the network, as text of the database on one line. */
static char *
one_line(const char *message)
{
	char	   *line = pstrdup(message);
	bool		is_text = pg_verifymbstr(line, (int) strlen(line), true);

	for (char *c = line; *c != '\0'; c++)
		if (IS_HIGHBIT_SET(*c) ? !is_text : (*c < ' ' || *c == '\177'))
			*c = '?';
	return line;
}
