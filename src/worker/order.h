/*
 * order.h -- requests with the same ordering key are sent one at a time, by id.
 *
 * Runs in: workers.
 *
 * An ordering key is the text in the column, of one role in one lane.  A key is
 * busy while a request with it waits in a lane, is in flight or waits for its
 * next attempt; this request is its holder.  Others with a busy key stay in the
 * table only; when the key is free again, the one with the lowest id is looked
 * up there.
 *
 * Many holders may wait for their next attempt.  So many are remembered; of
 * others it is looked up in the table that they hold their keys.
 */
#ifndef PGNET_ORDER_H
#define PGNET_ORDER_H

#include "postgres.h"

#include "backoff.h"
#include "job.h"
#include "worker/lanes.h"
#include "worker/table_guard.h"

typedef struct Order Order;

/* How a row was read. */
typedef enum OrderRead
{
	PGNET_ORDER_BY_ID,			/* after those with a lower id */
	PGNET_ORDER_BY_DUE,			/* those with a lower id may be due, too */
	PGNET_ORDER_NEXT			/* found by pgnet_order_find_next() */
} OrderRead;

extern Order *pgnet_order_create(MemoryContext parent, Lanes *lanes);

/* The tables were replaced: forget all keys. */
extern void pgnet_order_clear(Order *order);

/*
 * To be called before rows are read, in a TableWork.  The first time, find the
 * keys whose holders wait for their next attempt.  Throws.
 */
extern void pgnet_order_begin(Order *order);

/*
 * May a job that was read go to its lane?  Yes if it has no key.  False if the
 * key is busy, or if another row with it may come before this one: when it is
 * free, the next row is looked up.
 *
 * If so, one of the others follows: _hold() if the lane took the job, which is
 * now the holder of its key; _refused() if there was no room for it, so that it
 * will be read again, with all rows after it.
 */
extern bool pgnet_order_admits(Order *order, const Job *job, OrderRead how);
extern void pgnet_order_hold(Order *order, const Job *job);
extern void pgnet_order_refused(Order *order, const Job *job);

/* A job was recorded: its key is free, unless the job is sent again. */
extern void pgnet_order_end(Order *order, const Job *job);

/* Rows were changed or removed, perhaps those of holders: check them all. */
extern void pgnet_order_check(Order *order);

/* When to call pgnet_order_find_next(). */
extern TimestampTz pgnet_order_due(const Order *order);

/*
 * Check holders if need be, and look up the next rows of keys that are free.
 * Returns how many; their ids are allocated in the current memory context.  In
 * a TableWork.  Throws.
 */
extern int	pgnet_order_find_next(Order *order, int64 **ids);

/* The rows that were found were read; forget keys without a next row. */
extern void pgnet_order_found(Order *order);

#endif							/* PGNET_ORDER_H */
