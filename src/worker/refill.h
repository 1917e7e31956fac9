/*
 * refill.h -- reading the queue again for lane queues and roles that have room.
 *
 * Runs in: workers.  A lane queue or a role that has its share of known ids
 * takes no more rows; its Resume says from which id on rows are missing.  When
 * it has room again, the queue is read from there.
 */
#ifndef PGNET_REFILL_H
#define PGNET_REFILL_H

#include "postgres.h"

#include "lib/ilist.h"

#include "account.h"
#include "worker/lane_queue.h"
#include "worker/dispatch.h"

typedef struct Refill
{
	const Account *account;
	dlist_head	resumes;		/* those that are active */
	int64		reached;		/* from where on a refill will meet rows yet */
} Refill;

extern void pgnet_refill_init(Refill *refill, const Account *account);

/* All rows are to be read again from the start: no id is left to resume at. */
extern void pgnet_refill_clear(Refill *refill);

/*
 * May the row with this id be known, as far as a role, or a lane queue, is
 * concerned?  If not, its Resume becomes active.  refilling: the row was read
 * between pgnet_refill_begin() and pgnet_refill_end().
 */
extern bool pgnet_refill_role_admits(Refill *refill, Role *role, int64 id,
									 bool refilling);
extern bool pgnet_refill_queue_admits(Refill *refill, LaneQueue *queue,
									  int64 id, bool refilling);

/*
 * Choose those that have room for as many rows again as they have.  Returns the
 * id from which to read, PG_INT64_MAX if there are none.
 */
extern int64 pgnet_refill_begin(Refill *refill);

/* The queue was read up to this id. */
extern void pgnet_refill_reach(Refill *refill, int64 next_id);

/* Are all that were chosen full? */
extern bool pgnet_refill_is_done(const Refill *refill);

/*
 * The queue was read up to next_id, or to its end.  Those that were chosen and
 * are not full resume there; at the end, nothing is missing of them but rows
 * that came up behind the refill, and the lane queues that are not used
 * otherwise are removed.
 */
extern void pgnet_refill_end(Refill *refill, Dispatch *dispatch, int64 next_id,
							 bool to_the_end);

/* Are rows missing of any lane queue or role? */
extern bool pgnet_refill_is_needed(const Refill *refill);

#endif							/* PGNET_REFILL_H */
