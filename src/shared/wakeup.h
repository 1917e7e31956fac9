/*
 * wakeup.h -- telling the worker, at commit, that there are new rows.
 *
 * Runs in: every process that queues requests.
 */
#ifndef PGNET_WAKEUP_H
#define PGNET_WAKEUP_H

#include "postgres.h"

/* When this transaction commits, announce rows from id on. */
extern void pgnet_wakeup_at_commit(int64 id);

/* When this transaction commits, announce that rows were changed or removed. */
extern void pgnet_wakeup_changed_at_commit(void);

/*
 * For prepared.c: it knows the name of the transaction that is to be prepared,
 * and will announce what is queued.  For others, the worker reads the whole
 * queue when any prepared transaction ends.
 */
extern void pgnet_wakeup_set_prepare_named(bool named);

/* For prepared.c: what this transaction is to announce so far. */
extern void pgnet_wakeup_pending(int64 *lowest_id, bool *changed);

#endif							/* PGNET_WAKEUP_H */
