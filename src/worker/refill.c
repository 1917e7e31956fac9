/*
 * refill.c -- reading the queue again for lane queues and roles that have room.
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include "worker/refill.h"

/* Rows that are known in one lane queue; with half as many it is refilled. */
#define MAX_QUEUE_IDS 10000

static bool admits(Refill *refill, Resume *resume, int64 id, bool refilling,
				   bool has_room);
static bool role_has_room(const Refill *refill, const Role *role);
static bool queue_has_room(const Refill *refill, const LaneQueue *queue);
static bool has_room_again(const Refill *refill, const Resume *resume);
static LaneQueue *queue_with(const Resume *resume);
static Role *role_with(const Resume *resume);

void
pgnet_refill_init(Refill *refill, const Account *account)
{
	refill->account = account;
	dlist_init(&refill->resumes);
}

void
pgnet_refill_clear(Refill *refill)
{
	while (!dlist_is_empty(&refill->resumes))
	{
		Resume	   *resume = dlist_head_element(Resume, node,
												&refill->resumes);

		dlist_delete(&resume->node);
		resume->active = resume->refilling = false;
	}
}

bool
pgnet_refill_role_admits(Refill *refill, Role *role, int64 id, bool refilling)
{
	return admits(refill, &role->resume, id, refilling,
				  role_has_room(refill, role));
}

bool
pgnet_refill_queue_admits(Refill *refill, LaneQueue *queue, int64 id,
						  bool refilling)
{
	return admits(refill, &queue->resume, id, refilling,
				  queue_has_room(refill, queue));
}

/*
 * From the id on where rows are missing, a row is taken in a refill only:
 * otherwise it would go out before those that are missing.
 */
static bool
admits(Refill *refill, Resume *resume, int64 id, bool refilling, bool has_room)
{
	bool		in_refill = refilling && resume->refilling && !resume->full;

	if (resume->active && id >= resume->from && !in_refill)
	{
		/* a row that became due, or was committed late */
		if (resume->refilling && id < refill->reached)
			resume->missed = Min(resume->missed, id);
		return false;
	}
	if (has_room)
	{
		if (resume->active && id >= resume->from)
			resume->from = id + 1;
		return true;
	}
	if (!resume->active)
		dlist_push_tail(&refill->resumes, &resume->node);
	resume->active = true;
	resume->from = id;
	resume->full = true;
	return false;
}

static bool
role_has_room(const Refill *refill, const Role *role)
{
	const Account *account = refill->account;

	return pgnet_account_role_may(account, &role->party, PGNET_POOL_IDS, 1) &&
		pgnet_account_role_may(account, &role->party, PGNET_POOL_UNRECORDED, 1);
}

static bool
queue_has_room(const Refill *refill, const LaneQueue *queue)
{
	const Account *account = refill->account;
	const Holder *holder = &queue->holder;

	return holder->own.has[PGNET_POOL_IDS] < MAX_QUEUE_IDS &&
		pgnet_account_may(account, holder, PGNET_POOL_IDS, 1) &&
		pgnet_account_may(account, holder, PGNET_POOL_UNRECORDED, 1);
}

int64
pgnet_refill_begin(Refill *refill)
{
	int64		from = PG_INT64_MAX;
	dlist_iter	iter;

	dlist_foreach(iter, &refill->resumes)
	{
		Resume	   *resume = dlist_container(Resume, node, iter.cur);

		if (!has_room_again(refill, resume))
			continue;
		resume->refilling = true;
		resume->full = false;
		resume->missed = PG_INT64_MAX;
		from = Min(from, resume->from);
	}
	refill->reached = from;
	return from;
}

void
pgnet_refill_reach(Refill *refill, int64 next_id)
{
	refill->reached = next_id;
}

/* Is there room for as many rows again as are known? */
static bool
has_room_again(const Refill *refill, const Resume *resume)
{
	const Account *account = refill->account;
	const LaneQueue *queue;
	const Role *role;
	int64		has;

	if (resume->of_role)
	{
		role = role_with(resume);
		has = role->party.has[PGNET_POOL_IDS];
		return role_has_room(refill, role) &&
			pgnet_account_role_may(account, &role->party, PGNET_POOL_IDS, has);
	}
	queue = queue_with(resume);
	has = queue->holder.own.has[PGNET_POOL_IDS];
	return queue_has_room(refill, queue) && has <= MAX_QUEUE_IDS / 2 &&
		pgnet_account_may(account, &queue->holder, PGNET_POOL_IDS, has);
}

/* The lane queue that a Resume is part of, where it is not of a role. */
static LaneQueue *
queue_with(const Resume *resume)
{
	return (LaneQueue *) ((char *) resume - offsetof(LaneQueue, resume));
}

static Role *
role_with(const Resume *resume)
{
	return (Role *) ((char *) resume - offsetof(Role, resume));
}

bool
pgnet_refill_is_done(const Refill *refill)
{
	dlist_iter	iter;

	dlist_foreach(iter, unconstify(dlist_head *, &refill->resumes))
	{
		Resume	   *resume = dlist_container(Resume, node, iter.cur);

		if (resume->refilling && !resume->full)
			return false;
	}
	return true;
}

void
pgnet_refill_end(Refill *refill, Dispatch *dispatch, int64 next_id,
				 bool to_the_end)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &refill->resumes)
	{
		Resume	   *resume = dlist_container(Resume, node, iter.cur);

		if (!resume->refilling)
			continue;
		resume->refilling = false;
		if (resume->full)
			continue;
		resume->from = Min(Max(resume->from, next_id), resume->missed);
		resume->active = !to_the_end || resume->missed != PG_INT64_MAX;
		if (resume->active)
			continue;
		dlist_delete(&resume->node);
		if (!resume->of_role)
			pgnet_dispatch_update(dispatch, queue_with(resume));
	}
}

bool
pgnet_refill_is_needed(const Refill *refill)
{
	return !dlist_is_empty(unconstify(dlist_head *, &refill->resumes));
}
