/*
 * counting.h -- what a worker counts for the statistics.
 *
 * Runs in: workers.  pgnet_job_move() calls it for jobs; nothing here throws.
 *
 * How many rows are scheduled or were given up is counted with the quotas
 * (recount.h), and followed in between.
 */
#ifndef PGNET_COUNTING_H
#define PGNET_COUNTING_H

#include "postgres.h"

#include "job.h"
#include "tables/policy/quota_count.h"

/* Begin to count; from now on the last warning in the log is kept, too. */
extern void pgnet_counting_begin(void);

/*
 * What the lane of a URL is called, in PGNET_LANE_NAME_BYTES: the name of an
 * endpoint, or scheme, host and port.  False: it has no name that fits.
 */
extern bool pgnet_counting_name(const char *url, char *name);

/* The row of a job is known, and it has a holder: count in its lane. */
extern void pgnet_counting_open(Job *job);

/* A job that was in flight is finished; one that is finished is recorded. */
extern void pgnet_counting_attempt(const Job *job);
extern void pgnet_counting_end(const Job *job);

/* A transaction has recorded outcomes. */
extern void pgnet_counting_batch(int64 took_us);

/* So many rows are in the queue, as they were counted in a transaction. */
extern void pgnet_counting_set_rows(const QueueCount *found);

/* The tables are gone, and all rows with them. */
extern void pgnet_counting_forget_rows(void);

/*
 * Rows up to this id have been counted.  A scan met some, up to last_id, and so
 * many that have not been counted are scheduled.
 */
extern int64 pgnet_counting_counted_id(void);
extern void pgnet_counting_scheduled(int nscheduled, int count, int64 last_id);

/* A row is known now; rows that were given up were removed. */
extern void pgnet_counting_admitted(const Job *job);
extern void pgnet_counting_removed(int count);

#endif							/* PGNET_COUNTING_H */
