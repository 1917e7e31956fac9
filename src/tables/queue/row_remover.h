/*
 * row_remover.h -- removing rows of the queue without a plan.
 *
 * Runs in: workers, inside a transaction.
 */
#ifndef PGNET_ROW_REMOVER_H
#define PGNET_ROW_REMOVER_H

#include "postgres.h"

#include "utils/rel.h"

#include "job.h"

/*
 * Remove the rows of jobs that are where they were when they were read; how
 * many.  The others have moved, are gone or in somebody's hands.  The queue is
 * open, locked and removable.
 */
extern int	pgnet_queue_rows_remove(Relation queue, Job *const *jobs,
									int njobs);

#endif							/* PGNET_ROW_REMOVER_H */
