/*
 * callbacks.h -- telling the process of the callbacks that it is needed.
 *
 * Runs in: workers.
 */
#ifndef PGNET_WORKER_CALLBACKS_H
#define PGNET_WORKER_CALLBACKS_H

#include "postgres.h"

#include "backoff.h"
#include "job.h"
#include "shared/worker_state.h"
#include "worker/table_guard.h"

/* What of them is to be looked at. */
typedef struct CallbackLook
{
	bool		wanted;
	Backoff		backoff;
} CallbackLook;

/* A job is recorded, by a transaction that is committed. */
extern void pgnet_callbacks_note_recorded(WorkerState *worker, const Job *job);

/* An endpoint is to be paused. */
extern void pgnet_callbacks_note_pause(WorkerState *worker);

/* When to look for rows that wait since before this worker; DT_NOEND: never. */
extern TimestampTz pgnet_callbacks_look_due(const CallbackLook *look,
											const TableGuard *guard);
extern void pgnet_callbacks_look(CallbackLook *look, WorkerState *worker,
								 TableGuard *guard);

/* The same in the transaction of a probe, with the tables locked. */
extern void pgnet_callbacks_probe(WorkerState *worker);

#endif							/* PGNET_WORKER_CALLBACKS_H */
