/*
 * inbox.c -- telling a worker what is new in its queue.
 *
 * Runs in: every process that queues or changes rows, and workers.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "shared/inbox.h"

static bool has_new(WorkerState *worker);

/*
 * The worker's exchange and this one are full barriers: either the worker takes
 * this id, or it sees the committed row when it reads the queue.
 */
void
pgnet_inbox_announce(DatabaseState *database, int64 id)
{
	pg_atomic_uint64 *inbox = &database->worker.lowest_new_id;
	uint64		lowest = pg_atomic_read_u64(inbox);

	if ((int64) lowest == PGNET_NOTHING_NEW)
		pg_atomic_write_u64(&database->worker.news_since,
							(uint64) GetCurrentTimestamp());
	while (id < (int64) lowest &&
		   !pg_atomic_compare_exchange_u64(inbox, &lowest, (uint64) id))
		;
	pgnet_database_request_start(database);
}

void
pgnet_inbox_announce_changed(DatabaseState *database)
{
	pg_atomic_write_u32(&database->worker.rows_changed, 1);
	/* one that waits for its time may be due now */
	pgnet_database_request_start(database);
	pgnet_database_broadcast(database);
}

bool
pgnet_inbox_has_news(WorkerState *worker)
{
	return has_new(worker) || pg_atomic_read_u32(&worker->rows_changed) != 0;
}

/* Are there new rows? */
static bool
has_new(WorkerState *worker)
{
	return (int64) pg_atomic_read_u64(&worker->lowest_new_id) !=
		PGNET_NOTHING_NEW;
}

TimestampTz
pgnet_inbox_news_since(WorkerState *worker)
{
	return has_new(worker) ?
		(TimestampTz) pg_atomic_read_u64(&worker->news_since) :
		0;
}

int64
pgnet_inbox_take_new(WorkerState *worker)
{
	/* a plain read first, which leaves the cache line to the backends */
	if (!has_new(worker))
		return PGNET_NOTHING_NEW;
	return (int64) pg_atomic_exchange_u64(&worker->lowest_new_id,
										  (uint64) PGNET_NOTHING_NEW);
}

bool
pgnet_inbox_take_changed(WorkerState *worker)
{
	if (pg_atomic_read_u32(&worker->rows_changed) == 0)
		return false;
	return pg_atomic_exchange_u32(&worker->rows_changed, 0) != 0;
}
