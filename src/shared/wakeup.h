/*
 * wakeup.h -- telling the worker, at commit, that there are new rows.
 *
 * Runs in: every process that queues requests.
 */
#ifndef PGNET_WAKEUP_H
#define PGNET_WAKEUP_H

#include "postgres.h"

/* Watch for COMMIT PREPARED; called while the server starts. */
extern void pgnet_wakeup_init(void);

/* When this transaction commits, announce rows from id on. */
extern void pgnet_wakeup_at_commit(int64 id);

/* When this transaction commits, announce that rows changed or went. */
extern void pgnet_wakeup_changed_at_commit(void);

#endif							/* PGNET_WAKEUP_H */
