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
 * Update the rows of jobs that are sent again (PGNET_AGAIN) or given up
 * (PGNET_GAVE_UP): when they are due, and the log of attempts.  Jobs whose rows
 * are gone are moved to the end of the array; returns how many others there
 * are.  Throws lock_not_available if somebody else has a row locked, and
 * triggered_action_exception if a trigger skipped an update.
 */
extern int	pgnet_queue_keep_rows(StatementSession *session, Job **jobs,
								  int njobs);

#endif							/* PGNET_KEEP_ROWS_H */
