/*
 * preempt.h -- who leaves when background workers are short.
 *
 * Runs in: the launcher.
 */
#ifndef PGNET_PREEMPT_H
#define PGNET_PREEMPT_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "launcher/worker_pool.h"

/*
 * Ask workers to yield, as many as there are databases waiting for a process:
 * first those that are idle, then those that have kept their process for long
 * enough.  *due is lowered to when the next one will have.
 */
extern void pgnet_preempt(const WorkerPool *pool, int waiting, TimestampTz now,
						  TimestampTz *due);

#endif							/* PGNET_PREEMPT_H */
