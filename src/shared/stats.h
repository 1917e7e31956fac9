/*
 * stats.h -- the counters of a database.
 *
 * Runs in: workers and processes of callbacks, which write their own, and
 * client backends, which read them.
 *
 * A worker changes its counters in memory of its own and publishes them in each
 * turn, without a lock: a change counter tells readers whether they read while
 * it wrote, as in PgBackendStatus.  A reset only notes its time; readers take
 * it into account at once, and the worker when it publishes next.
 */
#ifndef PGNET_STATS_H
#define PGNET_STATS_H

#include "postgres.h"

#include "shared/database_state.h"

/* For registry.c: nothing is counted yet. */
extern void pgnet_stats_init(DatabaseStats *stats);

/*
 * For the worker: go on with the counters of the one before, until the process
 * exits.
 */
extern void pgnet_stats_join(WorkerState *worker);

/*
 * For the worker: its counters, to change, and to be published.  Until
 * pgnet_stats_join() they are nobody's.
 */
extern WorkerStats *pgnet_stats_mine(void);
extern void pgnet_stats_publish(void);

/* What of a database is called with responses. */
extern void pgnet_stats_count_call(DatabaseState *database, bool succeeded);
extern void pgnet_stats_add_waiting_calls(DatabaseState *database, int64 count);
extern void pgnet_stats_set_waiting_calls(DatabaseState *database, int64 count);

/* Copy a text of any length, up to whole characters of it. */
extern void pgnet_stats_copy_text(char *place, const char *text);

/* What the worker published last; its counters are zero if they were reset. */
extern WorkerStats pgnet_stats_read(DatabaseState *database);

/* For the postmaster: what to keep of it, and what was kept. */
extern SavedDatabaseStats pgnet_stats_save(DatabaseState *database);
extern void pgnet_stats_restore(DatabaseState *database,
								const SavedDatabaseStats *saved);

/* Set the counters of a database to zero. */
extern void pgnet_stats_reset(DatabaseState *database);

/* Begin and end to write what others read: see PGSTAT_BEGIN_WRITE_ACTIVITY. */
static inline void
pgnet_stats_begin_write(pg_atomic_uint32 *changes)
{
	pg_atomic_write_u32(changes, pg_atomic_read_u32(changes) + 1);
	pg_write_barrier();
}

static inline void
pgnet_stats_end_write(pg_atomic_uint32 *changes)
{
	pg_write_barrier();
	pg_atomic_write_u32(changes, pg_atomic_read_u32(changes) + 1);
}

/*
 * Copy what another process writes.  If that stands still while it writes, the
 * copy may be of two times.
 */
extern void pgnet_stats_copy(void *copy, const void *source, Size size,
							 pg_atomic_uint32 *changes);

#endif							/* PGNET_STATS_H */
