/*
 * order.h -- requests with the same ordering key are sent one at a time, by id.
 *
 * Runs in: workers.  An ordering key is one within a role and a lane.  It is
 * busy while a request with it waits in a lane, is in flight, or waits for its
 * next attempt: that is its holder.  Others with a busy key are not known to
 * the worker; when the key is free, the one with the lowest id is looked up.
 */
#ifndef PGNET_ORDER_H
#define PGNET_ORDER_H

#include "postgres.h"

#include "backoff.h"
#include "job.h"
#include "worker/lanes.h"
#include "worker/table_guard.h"

typedef struct Order Order;

extern Order *pgnet_order_create(MemoryContext parent, Lanes *lanes);

/* The tables are others: forget all keys. */
extern void pgnet_order_clear(Order *order);

/*
 * Learn which keys wait for the next attempt of a request, before the first row
 * is read; once.  In a TableWork.  Throws.
 */
extern void pgnet_order_begin(Order *order);

/*
 * May a job that was read be known?  False: its key is busy, which is noted.
 * looked_up: it was found by pgnet_order_find_next().  Jobs without a key
 * always may.  Then, when the job is known, it holds its key; or it is not
 * known for want of room, and will be read again with all that come after it.
 */
extern bool pgnet_order_admits(Order *order, const Job *job, bool looked_up);
extern void pgnet_order_hold(Order *order, const Job *job);
extern void pgnet_order_refused(Order *order, const Job *job);

/*
 * A job is recorded: its key is free, unless it is sent again.
 */
extern void pgnet_order_end(Order *order, const Job *job);

/* Rows were changed or removed: holders may be gone. */
extern void pgnet_order_check(Order *order);

/* When to look for what comes next with the keys that are free. */
extern TimestampTz pgnet_order_due(const Order *order);

/*
 * Look: the ids of rows that may come next, in the current memory context; how
 * many.  In a TableWork.  Throws.
 */
extern int	pgnet_order_find_next(Order *order, int64 **ids);

/* What was found was read: keys of which there was nothing are forgotten. */
extern void pgnet_order_found(Order *order);

#endif							/* PGNET_ORDER_H */
