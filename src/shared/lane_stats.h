/*
 * lane_stats.h -- the counters of lanes, by endpoint or origin.
 *
 * Runs in: workers, which write those of their database, and client backends,
 * which read them.
 *
 * There is room for some thousand lanes of all databases together.  When it is
 * used up, those give way that were not used for longest, unless something
 * waits or is in flight there.  Entries are given out and taken back under a
 * lock; a worker writes into its own without one, as stats.h says.
 */
#ifndef PGNET_LANE_STATS_H
#define PGNET_LANE_STATS_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "shared/stats_counters.h"

/* The name of an endpoint, or scheme://host:port, with the zero at its end. */
#define PGNET_LANE_NAME_BYTES 272

/* Response times are counted by how long they are; the last is for longer. */
#define PGNET_LATENCIES 16

typedef struct LaneStats
{
	/* since stats_reset */
	int64		sent;
	int64		retried;
	int64		given_up;
	int64		connections;
	int64		request_bytes;
	int64		response_bytes;
	int64		status_2xx;
	int64		status_3xx;
	int64		status_4xx;		/* with 429 */
	int64		status_429;
	int64		status_5xx;
	int64		timeouts;
	int64		connect_failures;
	int64		tls_failures;
	int64		other_failures;
	int64		dns_us;
	int64		connect_us;
	int64		tls_us;
	int64		first_byte_us;
	int64		total_us;
	int64		latency[PGNET_LATENCIES];
	TimestampTz last_success;	/* 0: none, as for all of these times */
	TimestampTz last_failure;
	char		last_error[PGNET_STATS_ERROR_BYTES];
	TimestampTz stats_reset;

	/* as it is now */
	TimestampTz failing_since;
	int64		failures_in_row;
	int64		waiting;		/* rows, as far as the worker knows them */
	int64		in_flight;
	TimestampTz oldest_waiting;
	TimestampTz oldest_free;	/* of those not paused or backing off */
} LaneStats;

/* For memory.c. */
extern Size pgnet_lane_stats_memory_size(void);
extern void pgnet_lane_stats_memory_init(void *memory, int lock_tranche);

/* For the worker: nothing waits and is in flight yet; likewise at its exit. */
extern void pgnet_lane_stats_join(void);

/* An entry, as long as it was not given to another lane.  All zero: none. */
typedef struct LaneStatsRef
{
	struct LaneStatsEntry *entry;
	uint32		generation;
} LaneStatsRef;

/*
 * Find or make the entry of a lane of this database.  A ref without an entry:
 * there is no room.
 */
extern LaneStatsRef pgnet_lane_stats_open(const char *name);

/* Is it still the entry of that lane? */
extern bool pgnet_lane_stats_is_valid(LaneStatsRef ref);

/*
 * Begin and end to write into an entry; between them nothing may throw.  NULL:
 * it was given to another lane, or there is none.  used_at: when the lane was
 * used; 0: when it was before.
 */
extern LaneStats *pgnet_lane_stats_begin(LaneStatsRef ref);
extern void pgnet_lane_stats_end(LaneStatsRef ref, TimestampTz used_at);

/* A copy of an entry. */
typedef struct NamedLaneStats
{
	char		name[PGNET_LANE_NAME_BYTES];
	LaneStats	stats;
} NamedLaneStats;

/* The entries of this database, palloc'd; how many. */
extern int	pgnet_lane_stats_list(NamedLaneStats **list);

/*
 * Since when does a request of a database wait in a lane that is not paused or
 * backing off?  0: none does.
 */
extern TimestampTz pgnet_lane_stats_oldest(Oid database);

/* Set the counters of a lane of this database to zero; NULL: of all. */
extern void pgnet_lane_stats_reset(const char *name);

/* What is kept of a lane while the server is down. */
typedef struct SavedLaneStats
{
	Oid			database;
	char		name[PGNET_LANE_NAME_BYTES];
	TimestampTz used_at;
	LaneStats	stats;
} SavedLaneStats;

/*
 * For the postmaster: the next entry from *place on, false: there are no more;
 * and one that was kept.
 */
extern bool pgnet_lane_stats_save(int *place, SavedLaneStats *saved);
extern void pgnet_lane_stats_restore(const SavedLaneStats *saved);

/* Remove the entries of a database that nobody is connected to. */
extern void pgnet_lane_stats_forget(Oid database);

#endif							/* PGNET_LANE_STATS_H */
