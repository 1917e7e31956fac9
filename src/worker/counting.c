/*
 * counting.c -- what a worker counts for the statistics.
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include "utils/elog.h"
#include "utils/timestamp.h"

#include "shared/stats.h"
#include "tables/recovery/durability.h"
#include "worker/counting.h"

/* When rows were counted last, and up to which id; MAX: not yet. */
static TimestampTz counted_at = 0;
static int64 counted_id = PG_INT64_MAX;

static emit_log_hook_type previous_log_hook = NULL;

static void note_message(ErrorData *error);

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

void
pgnet_counting_attempt(const Job *job)
{
	if (pgnet_job_was_sent(job))
		pgnet_stats_mine()->sent++;
}

void
pgnet_counting_end(const Job *job)
{
	WorkerStats *stats = pgnet_stats_mine();

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
