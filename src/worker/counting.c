/*
 * counting.c -- what a worker counts for the statistics.
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include "utils/elog.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "endpoint_url.h"
#include "policy/retry.h"
#include "shared/lane_stats.h"
#include "shared/stats.h"
#include "tables/recovery/durability.h"
#include "url_target.h"
#include "worker/counting.h"
#include "worker/lane_queue.h"

/* Up to how many milliseconds a response may have taken. */
static const int64 latency_ms[PGNET_LATENCIES - 1] = {
	1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 30000, 60000
};

/* After so many they are forgotten, and found again. */
#define MAX_KNOWN_LANES 10000

/* The entry of a lane, which may be somebody else's by now. */
typedef struct KnownLane
{
	uint64		lane_key;		/* hash key: must be first */
	LaneStatsRef stats;
} KnownLane;

static HTAB *known_lanes = NULL;

/* When rows were counted last, and up to which id; MAX: not yet. */
static TimestampTz counted_at = 0;
static int64 counted_id = PG_INT64_MAX;

static emit_log_hook_type previous_log_hook = NULL;

static void note_message(ErrorData *error);
static HTAB *make_known_lanes(void);
static Lane *lane_of(const Job *job);
static TimestampTz ended(const Job *job);
static void add_metrics(LaneStats *stats, const HttpMetrics *metrics);
static void add_response(LaneStats *stats, const Job *job);
static void add_failure(LaneStats *stats, const Job *job);
static void note_failure(LaneStats *stats, const Job *job, const char *error);
static void count_disposition(const Job *job);

void
pgnet_counting_begin(void)
{
	previous_log_hook = emit_log_hook;
	emit_log_hook = note_message;
}

/* emit_log_hook: remember the last warning. */
static void
note_message(ErrorData *error)
{
	WorkerStats *stats = pgnet_stats_mine();

	if (previous_log_hook)
		previous_log_hook(error);
	if (error->elevel < WARNING || error->message == NULL)
		return;
	stats->last_error_at = GetCurrentTimestamp();
	pgnet_stats_copy_text(stats->last_error, error->message);
}

/*
 * Lanes come and go; their entries are remembered, since to find them takes a
 * lock.
 */
void
pgnet_counting_open(Job *job)
{
	Lane	   *lane = lane_of(job);
	char		name[PGNET_LANE_NAME_BYTES];
	KnownLane  *known;
	bool		found;

	if (lane->stats.entry != NULL)
		return;
	if (known_lanes == NULL)
		known_lanes = make_known_lanes();
	known = hash_search(known_lanes, &job->lane_key, HASH_ENTER, &found);
	if (!found || !pgnet_lane_stats_is_valid(known->stats))
	{
		known->stats = (LaneStatsRef) {0};
		if (pgnet_counting_name(job->request.url, name))
			known->stats = pgnet_lane_stats_open(name);
	}
	lane->stats = known->stats;
	if (hash_get_num_entries(known_lanes) < MAX_KNOWN_LANES)
		return;
	hash_destroy(known_lanes);
	known_lanes = NULL;
}

static HTAB *
make_known_lanes(void)
{
	HASHCTL		control = {
		.keysize = sizeof(uint64),
		.entrysize = sizeof(KnownLane),
		.hcxt = TopMemoryContext
	};

	return hash_create("pg_net counted lanes", 64, &control,
					   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

bool
pgnet_counting_name(const char *url, char *name)
{
	EndpointUrl endpoint;
	UrlTarget	target;
	int			length;
	const char *host;

	if (url == NULL)
		return false;
	if (pgnet_url_is_endpoint(url))
	{
		if (pgnet_endpoint_url_parse(url, &endpoint) != NULL ||
			endpoint.name_length >= PGNET_LANE_NAME_BYTES)
			return false;
		memcpy(name, endpoint.name, endpoint.name_length);
		name[endpoint.name_length] = '\0';
		return true;
	}
	if (pgnet_url_target(url, &target))
		return snprintf(name, PGNET_LANE_NAME_BYTES, "%s://%s:%d",
						target.scheme, target.host, target.port) <
			PGNET_LANE_NAME_BYTES;
	/* a host in other characters than ASCII */
	host = pgnet_url_host(url, &length);
	if (length == 0 || length >= PGNET_LANE_NAME_BYTES - 3)
		return false;
	snprintf(name, PGNET_LANE_NAME_BYTES, "//%.*s", length, host);
	return true;
}

static Lane *
lane_of(const Job *job)
{
	return (Lane *) ((char *) job->holder->lane - offsetof(Lane, party));
}

void
pgnet_counting_attempt(const Job *job)
{
	LaneStatsRef ref = lane_of(job)->stats;
	LaneStats  *stats;

	if (!pgnet_job_was_sent(job))
		return;
	pgnet_stats_mine()->sent++;
	stats = pgnet_lane_stats_begin(ref);
	if (stats == NULL)
		return;
	stats->sent++;
	add_metrics(stats, &job->metrics);
	if (job->outcome.kind == PGNET_OUTCOME_ANSWERED)
		add_response(stats, job);
	else
		add_failure(stats, job);
	pgnet_lane_stats_end(ref, ended(job));
}

/* When an attempt was over, by the wall clock. */
static TimestampTz
ended(const Job *job)
{
	return job->metrics.started + job->metrics.duration_us;
}

static void
add_metrics(LaneStats *stats, const HttpMetrics *metrics)
{
	stats->request_bytes += metrics->request_bytes;
	stats->response_bytes += metrics->response_bytes;
	/* of a new connection; one that came about has the time it took */
	if (metrics->dns_us != PGNET_NOT_MEASURED)
		stats->dns_us += metrics->dns_us;
	if (metrics->connect_us != PGNET_NOT_MEASURED)
	{
		stats->connections++;
		stats->connect_us += metrics->connect_us;
	}
	if (metrics->tls_us != PGNET_NOT_MEASURED)
		stats->tls_us += metrics->tls_us;
	if (metrics->first_byte_us != PGNET_NOT_MEASURED)
		stats->first_byte_us += metrics->first_byte_us;
	stats->total_us += metrics->duration_us;
}

static void
add_response(LaneStats *stats, const Job *job)
{
	int			status = job->outcome.status_code;
	int			place = 0;

	while (place < PGNET_LATENCIES - 1 &&
		   job->metrics.duration_us > latency_ms[place] * 1000)
		place++;
	stats->latency[place]++;
	switch (status / 100)
	{
		case 2:
			stats->status_2xx++;
			break;
		case 3:
			stats->status_3xx++;
			break;
		case 4:
			stats->status_4xx++;
			break;
		case 5:
			stats->status_5xx++;
			break;
	}
	if (status == 429)
		stats->status_429++;
	if (status == 429 || status / 100 == 5 ||
		(job->delivery.retry_all && !pgnet_is_success(&job->outcome)))
	{
		char		text[16];

		snprintf(text, sizeof(text), "%d", status);
		note_failure(stats, job, text);
		return;
	}
	stats->last_success = ended(job);
	stats->failing_since = 0;
	stats->failures_in_row = 0;
}

static void
add_failure(LaneStats *stats, const Job *job)
{
	if (job->outcome.kind == PGNET_OUTCOME_TIMED_OUT)
		stats->timeouts++;
	else if (job->outcome.failure == PGNET_FAILURE_CONNECT)
		stats->connect_failures++;
	else if (job->outcome.failure == PGNET_FAILURE_TLS)
		stats->tls_failures++;
	else
		stats->other_failures++;
	note_failure(stats, job, job->outcome.error);
}

static void
note_failure(LaneStats *stats, const Job *job, const char *error)
{
	stats->last_failure = ended(job);
	pgnet_stats_copy_text(stats->last_error, error ? error : "");
	if (stats->failures_in_row++ == 0)
		stats->failing_since = stats->last_failure;
}

/* In a lane: a request is sent again, or given up. */
static void
count_disposition(const Job *job)
{
	LaneStatsRef ref = lane_of(job)->stats;
	LaneStats  *stats = pgnet_lane_stats_begin(ref);

	if (stats == NULL)
		return;
	if (job->delivery.disposition == PGNET_AGAIN)
		stats->retried++;
	if (job->delivery.disposition == PGNET_GAVE_UP)
		stats->given_up++;
	/* what was not allowed to go out */
	if (!pgnet_job_was_sent(job) && job->outcome.error != NULL)
	{
		stats->last_failure = GetCurrentTimestamp();
		pgnet_stats_copy_text(stats->last_error, job->outcome.error);
	}
	pgnet_lane_stats_end(ref, 0);
}

void
pgnet_counting_end(const Job *job)
{
	WorkerStats *stats = pgnet_stats_mine();

	if (job->delivery.disposition != PGNET_DONE)
		count_disposition(job);
	switch (job->delivery.disposition)
	{
		case PGNET_DONE:
			stats->done++;
			break;
		case PGNET_FAILED:
			stats->failed++;
			break;
		case PGNET_AGAIN:
			stats->retried++;
			stats->scheduled++;
			break;
		case PGNET_GAVE_UP:
			stats->given_up++;
			/* unless it is not kept */
			if (job->delivery.next_due != 0)
				stats->gave_up++;
			break;
	}
}

void
pgnet_counting_batch(int64 took_us)
{
	WorkerStats *stats = pgnet_stats_mine();

	stats->record_batches++;
	stats->record_us += took_us;
}

void
pgnet_counting_set_rows(const QueueCount *found)
{
	WorkerStats *stats = pgnet_stats_mine();

	stats->scheduled = found->scheduled;
	stats->gave_up = found->gave_up;
	stats->durable = !pgnet_durability_is_off();
	counted_id = found->last_id;
	counted_at = GetCurrentTimestamp();
}

void
pgnet_counting_forget_rows(void)
{
	WorkerStats *stats = pgnet_stats_mine();

	stats->scheduled = stats->gave_up = 0;
	stats->next_due = DT_NOEND;
	counted_id = PG_INT64_MAX;
}

int64
pgnet_counting_counted_id(void)
{
	return counted_id;
}

void
pgnet_counting_scheduled(int nscheduled, int count, int64 last_id)
{
	pgnet_stats_mine()->scheduled += nscheduled;
	if (count > 0 && counted_id != PG_INT64_MAX)
		counted_id = Max(counted_id, last_id);
}

/* What was due already when rows were counted is not among the scheduled. */
void
pgnet_counting_admitted(const Job *job)
{
	WorkerStats *stats = pgnet_stats_mine();

	if (job->was_due && job->waits_since > counted_at)
		stats->scheduled = Max(stats->scheduled - 1, 0);
}

void
pgnet_counting_removed(int count)
{
	WorkerStats *stats = pgnet_stats_mine();

	stats->gave_up = Max(stats->gave_up - count, 0);
}
