/*
 * total.h -- requests in flight of all workers together.
 *
 * Runs in: workers.
 */
#ifndef PGNET_TOTAL_H
#define PGNET_TOTAL_H

#include "postgres.h"

#include "shared/slot.h"

/* A worker comes; it leaves, with all it has in flight. */
extern void pgnet_total_join(void);
extern void pgnet_total_leave(WorkerSlot *slot);

/*
 * May the slot's worker have one more in flight, of so many in all?  If so,
 * one is kept for it until it settles.  If not, its latch is set when it may
 * be worth to ask again.
 */
extern bool pgnet_total_is_left(WorkerSlot *slot, int limit);

/* The one that is kept is in flight; or one is not any more. */
extern void pgnet_total_take(WorkerSlot *slot);
extern void pgnet_total_give_back(WorkerSlot *slot);

/*
 * Called once a cycle: keep none, set the latches of those that wait for what
 * it gave back, and wait no more itself if it was not refused since the last
 * call.
 */
extern void pgnet_total_settle(WorkerSlot *slot);

#endif							/* PGNET_TOTAL_H */
