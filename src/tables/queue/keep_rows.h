/*
 * keep_rows.h -- rows of the queue that stay after an attempt.
 *
 * Runs in: workers, inside a transaction.
 */
#ifndef PGNET_KEEP_ROWS_H
#define PGNET_KEEP_ROWS_H

#include "postgres.h"

#include "job.h"
#include "tables/statement.h"

/*
 * Write down when the requests of jobs are sent again (PGNET_AGAIN), or that
 * they were given up (PGNET_GAVE_UP), with the log of their attempts.  Those
 * whose rows are gone are moved to the end; how many are left.  Throws
 * lock_not_available when somebody else holds a row locked.
 */
extern int	pgnet_queue_keep_rows(StatementSession *session, Job **jobs,
								  int njobs);

#endif							/* PGNET_KEEP_ROWS_H */
