/*
 * stats.c -- the counters of a database.
 *
 * Runs in: workers, processes of callbacks, and client backends.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "storage/ipc.h"
#include "utils/timestamp.h"

#include "shared/stats.h"
#include "shared/worker_state.h"

/* A process that writes takes less than this many looks. */
#define MAX_LOOKS 1000

/* Of this process, if it is a worker. */
static DatabaseStats *published = NULL;
static WorkerStats mine;
static WorkerStats last;		/* as it was published */

static void leave(int code, Datum arg);
static void obey_reset(WorkerStats *worker, DatabaseStats *stats);

void
pgnet_stats_init(DatabaseStats *stats)
{
	pg_atomic_init_u32(&stats->changes, 0);
	stats->worker = (WorkerStats) {.next_due = DT_NOEND, .durable = -1};
	pg_atomic_init_u64(&stats->reset_at, 0);
	pg_atomic_init_u64(&stats->called, 0);
	pg_atomic_init_u64(&stats->call_errors, 0);
	pg_atomic_init_u64(&stats->callbacks_waiting, 0);
}

void
pgnet_stats_join(WorkerState *worker)
{
	published = &pgnet_worker_database(worker)->stats;
	/* one that died while it wrote left the server to start anew */
	mine = last = published->worker;
	before_shmem_exit(leave, (Datum) 0);
}

/* before_shmem_exit callback: what was in flight waits for the next worker. */
static void
leave(int code, Datum arg)
{
	(void) code;
	(void) arg;
	mine.in_flight = 0;
	mine.short_of[0] = '\0';
	pgnet_stats_publish();
	published = NULL;
}

/* What is counted after a reset must not be reset when it is published. */
WorkerStats *
pgnet_stats_mine(void)
{
	if (published != NULL)
		obey_reset(&mine, published);
	return &mine;
}

void
pgnet_stats_publish(void)
{
	if (published == NULL)
		return;
	obey_reset(&mine, published);
	if (memcmp(&mine, &last, sizeof(WorkerStats)) == 0)
		return;
	pgnet_stats_begin_write(&published->changes);
	memcpy(&published->worker, &mine, sizeof(WorkerStats));
	pgnet_stats_end_write(&published->changes);
	memcpy(&last, &mine, sizeof(WorkerStats));
}

/* Set the counters to zero, if that was asked for. */
static void
obey_reset(WorkerStats *worker, DatabaseStats *stats)
{
	TimestampTz reset_at =
		(TimestampTz) pg_atomic_read_u64(&stats->reset_at);

	if (reset_at == worker->stats_reset)
		return;
	memset(worker, 0, offsetof(WorkerStats, stats_reset));
	worker->stats_reset = reset_at;
}

void
pgnet_stats_copy_text(char *place, const char *text)
{
	int			length = pg_mbcliplen(text, (int) strlen(text),
									  PGNET_STATS_ERROR_BYTES - 1);

	/* what is published is compared, to its end */
	memset(place, 0, PGNET_STATS_ERROR_BYTES);
	strlcpy(place, text, length + 1);
}

void
pgnet_stats_count_call(DatabaseState *database, bool succeeded)
{
	DatabaseStats *stats = &database->stats;

	pg_atomic_fetch_add_u64(succeeded ? &stats->called : &stats->call_errors,
							1);
	pgnet_stats_add_waiting_calls(database, -1);
}

/* Never below zero: rows of before may not have been counted. */
void
pgnet_stats_add_waiting_calls(DatabaseState *database, int64 count)
{
	pg_atomic_uint64 *number = &database->stats.callbacks_waiting;
	uint64		now = pg_atomic_read_u64(number);

	while (!pg_atomic_compare_exchange_u64(number, &now,
										   (uint64) Max((int64) now + count,
														0)))
		;
}

void
pgnet_stats_set_waiting_calls(DatabaseState *database, int64 count)
{
	pg_atomic_write_u64(&database->stats.callbacks_waiting, (uint64) count);
}

WorkerStats
pgnet_stats_read(DatabaseState *database)
{
	DatabaseStats *stats = &database->stats;
	WorkerStats worker;

	pgnet_stats_copy(&worker, &stats->worker, sizeof(WorkerStats),
					 &stats->changes);
	worker.last_error[PGNET_STATS_ERROR_BYTES - 1] = '\0';
	worker.short_of[PGNET_STATS_SHORT_BYTES - 1] = '\0';
	obey_reset(&worker, stats);
	return worker;
}

void
pgnet_stats_copy(void *copy, const void *source, Size size,
				 pg_atomic_uint32 *changes)
{
	for (int i = 0; i < MAX_LOOKS; i++)
	{
		uint32		before = pg_atomic_read_u32(changes);

		pg_read_barrier();
		memcpy(copy, source, size);
		pg_read_barrier();
		if ((before & 1) == 0 && pg_atomic_read_u32(changes) == before)
			return;
	}
}

SavedDatabaseStats
pgnet_stats_save(DatabaseState *database)
{
	SavedDatabaseStats saved;

	/* with its padding, as it goes to a file */
	memset(&saved, 0, sizeof(saved));
	saved.database = database->database;
	saved.worker = pgnet_stats_read(database);
	saved.called = pg_atomic_read_u64(&database->stats.called);
	saved.call_errors = pg_atomic_read_u64(&database->stats.call_errors);
	return saved;
}

void
pgnet_stats_restore(DatabaseState *database, const SavedDatabaseStats *saved)
{
	DatabaseStats *stats = &database->stats;

	stats->worker = saved->worker;
	pg_atomic_write_u64(&stats->reset_at, (uint64) saved->worker.stats_reset);
	pg_atomic_write_u64(&stats->called, saved->called);
	pg_atomic_write_u64(&stats->call_errors, saved->call_errors);
}

void
pgnet_stats_reset(DatabaseState *database)
{
	DatabaseStats *stats = &database->stats;

	pg_atomic_write_u64(&stats->called, 0);
	pg_atomic_write_u64(&stats->call_errors, 0);
	pg_atomic_write_u64(&stats->reset_at, (uint64) GetCurrentTimestamp());
}
