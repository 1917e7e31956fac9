/*
 * inbox.h -- telling a worker what is new in its queue.
 *
 * Runs in: every process that queues or changes rows, and workers.
 */
#ifndef PGNET_INBOX_H
#define PGNET_INBOX_H

#include "postgres.h"

#include "shared/database_state.h"

/*
 * Say that there are new rows from id on, and wake the worker, or have one
 * started.  Called after commit: must not throw.
 */
extern void pgnet_inbox_announce(DatabaseState *database, int64 id);

/*
 * Say that rows were changed or removed, to the worker, started if need be, and
 * to those who wait for one of them.  Called after commit: must not throw.
 */
extern void pgnet_inbox_announce_changed(DatabaseState *database);

/* For the worker: is there anything that was not taken? */
extern bool pgnet_inbox_has_news(WorkerState *worker);

/*
 * Since when are there rows that the worker has not noticed, by the wall clock?
 * 0: there are none.
 */
extern TimestampTz pgnet_inbox_news_since(WorkerState *worker);

/*
 * For the worker: take the lowest new id, so that the next call returns
 * PGNET_NOTHING_NEW until more is announced.
 */
extern int64 pgnet_inbox_take_new(WorkerState *worker);

/* For the worker: were rows changed or removed since the last call? */
extern bool pgnet_inbox_take_changed(WorkerState *worker);

#endif							/* PGNET_INBOX_H */
