/*
 * stats_counters.h -- what is counted of a database's worker.
 *
 * Runs in: every process.  How it is written and read is for stats.h.
 */
#ifndef PGNET_STATS_COUNTERS_H
#define PGNET_STATS_COUNTERS_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "port/atomics.h"

/* So much of an error is shown, in bytes with the zero at its end. */
#define PGNET_STATS_ERROR_BYTES 256

/* Room for the name of what the worker is short of. */
#define PGNET_STATS_SHORT_BYTES 16

/* The columns of net.stat_worker that the worker writes. */
typedef struct WorkerStats
{
	/* since stats_reset */
	int64		sent;
	int64		done;
	int64		failed;
	int64		retried;
	int64		given_up;
	int64		record_batches;
	int64		record_us;
	TimestampTz last_error_at;	/* 0: there was none */
	char		last_error[PGNET_STATS_ERROR_BYTES];
	TimestampTz stats_reset;	/* 0: never */

	/* as it is now */
	int64		in_flight;
	int64		scheduled;
	int64		gave_up;
	TimestampTz next_due;		/* DT_NOEND: nothing is scheduled */
	int64		durable;		/* -1: unknown; no padding, this is compared */
	char		short_of[PGNET_STATS_SHORT_BYTES];	/* "": nothing */
} WorkerStats;

typedef struct DatabaseStats
{
	pg_atomic_uint32 changes;	/* odd while the worker writes */
	WorkerStats worker;
	pg_atomic_uint64 reset_at; /* a TimestampTz; another one than the worker's
								* stats_reset: its counters are to be zero */

	/* by the process of the callbacks; rows also by the worker */
	pg_atomic_uint64 called;
	pg_atomic_uint64 call_errors;
	pg_atomic_uint64 callbacks_waiting;
} DatabaseStats;

/* What is kept of it while the server is down. */
typedef struct SavedDatabaseStats
{
	Oid			database;
	WorkerStats worker;
	uint64		called;
	uint64		call_errors;
} SavedDatabaseStats;

#endif							/* PGNET_STATS_COUNTERS_H */
