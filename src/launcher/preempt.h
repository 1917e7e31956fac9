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
 * So many databases wait for a process: ask as many workers to yield, those
 * that are idle and those that had their turn.  *due is lowered to when the
 * next one will have had it.
 */
extern void pgnet_preempt(const WorkerPool *pool, int waiting, TimestampTz now,
						  TimestampTz *due);

#endif							/* PGNET_PREEMPT_H */
