/*
 * body_budget.c -- memory for responses, and who may have more of it.
 *
 * Runs in: workers.
 *
 * How large responses are is known when they come, and then there may be
 * thousands.  When a role or a lane has its share of the memory for those that
 * are not recorded, one transfer of the role goes on and the others pause: they
 * are not read from, and TCP holds their servers up.  So responses end one
 * after the other instead of failing together, and those of other roles come
 * as always.
 *
 * What one that goes on may take is not in the share.  When all the memory is
 * in use, the largest response of the role that has most is given up.
 */
#include "postgres.h"

#include "http/body_budget.h"

/* A response up to this size never pauses. */
#define SMALL_BYTES ((size_t) 64 * 1024)

/* Less than this within its patience is not going on. */
#define LEAST_PROGRESS_BYTES ((size_t) 16 * 1024)

static bool has_share(const BodyBudget *budget, const BodyReceiver *receiver,
					  size_t bytes);
static BodyReceiver *first_of_role(const BodyBudget *budget, const Party *role);
static void make_first(BodyBudget *budget, BodyReceiver *receiver);
static void unmake_first(BodyReceiver *receiver);
static bool has_stopped(BodyReceiver *first);
static bool make_room(BodyBudget *budget, const BodyReceiver *receiver,
					  size_t bytes);
static void evict(BodyBudget *budget, BodyReceiver *receiver);
static int64 has_in_all(const BodyReceiver *receiver);
static BodyReceiver *largest(const BodyBudget *budget);

void
pgnet_body_budget_init(BodyBudget *budget, Account *account)
{
	*budget = (BodyBudget) {.account = account};
	dlist_init(&budget->receivers);
	dlist_init(&budget->paused);
	dlist_init(&budget->firsts);
	dlist_init(&budget->evicted);
}

bool
pgnet_body_budget_take(BodyBudget *budget, BodyReceiver *receiver, size_t bytes)
{
	Account    *account = budget->account;

	if (receiver->evicted || !make_room(budget, receiver, bytes))
		return false;
	if (!receiver->listed)
		dlist_push_tail(&budget->receivers, &receiver->node);
	receiver->listed = true;
	receiver->taken += bytes;
	pgnet_account_take(account, receiver->holder, PGNET_POOL_RESPONSE_BYTES,
					   bytes);
	budget->highest = Max(budget->highest,
						  account->used[PGNET_POOL_RESPONSE_BYTES]);
	return true;
}

void
pgnet_body_budget_give(BodyBudget *budget, BodyReceiver *receiver, size_t bytes)
{
	if (bytes == 0)
		return;
	receiver->taken -= bytes;
	if (receiver->evicted)
		budget->promised -= bytes;
	pgnet_account_give(budget->account, receiver->holder,
					   PGNET_POOL_RESPONSE_BYTES, bytes);
}

bool
pgnet_body_budget_lets_grow(BodyBudget *budget, BodyReceiver *receiver,
							size_t bytes)
{
	if (bytes == 0 || receiver->taken + bytes <= SMALL_BYTES ||
		has_share(budget, receiver, bytes))
		return true;
	if (first_of_role(budget, receiver->holder->role) == NULL)
		make_first(budget, receiver);
	if (receiver->first)
		return true;
	receiver->paused = true;
	receiver->wanted = bytes;
	dlist_push_tail(&budget->paused, &receiver->paused_node);
	budget->npaused++;
	return false;
}

/* Some go on when there is room; another one, when the first does not. */
int
pgnet_body_budget_resume(BodyBudget *budget)
{
	int			count = 0;

	/* one that goes on may pause at once, and comes last then */
	for (int left = budget->npaused; left > 0 && budget->npaused > 0; left--)
	{
		BodyReceiver *receiver = dlist_head_element(BodyReceiver, paused_node,
													&budget->paused);
		BodyReceiver *first = first_of_role(budget, receiver->holder->role);

		dlist_delete(&receiver->paused_node);
		dlist_push_tail(&budget->paused, &receiver->paused_node);
		if (receiver->evicted)
			continue;
		if (!has_share(budget, receiver, receiver->wanted))
		{
			if (first != NULL && !has_stopped(first))
				continue;
			if (first != NULL)
				unmake_first(first);
			make_first(budget, receiver);
		}
		dlist_delete(&receiver->paused_node);
		receiver->paused = false;
		budget->npaused--;
		receiver->go_on(receiver);
		count++;
	}
	return count;
}

BodyReceiver *
pgnet_body_budget_evict(BodyBudget *budget)
{
	if (dlist_is_empty(&budget->evicted))
		return NULL;
	return dlist_head_element(BodyReceiver, evicted_node, &budget->evicted);
}

void
pgnet_body_budget_leave(BodyBudget *budget, BodyReceiver *receiver)
{
	if (receiver->listed)
		dlist_delete(&receiver->node);
	if (receiver->first)
		unmake_first(receiver);
	if (receiver->paused)
	{
		dlist_delete(&receiver->paused_node);
		budget->npaused--;
	}
	if (receiver->evicted)
	{
		dlist_delete(&receiver->evicted_node);
		budget->promised -= receiver->taken;
	}
	receiver->listed = receiver->paused = receiver->evicted = false;
}

/* Is it within the share of its role, and of that in its lane? */
static bool
has_share(const BodyBudget *budget, const BodyReceiver *receiver, size_t bytes)
{
	const Holder *holder = receiver->holder;

	return pgnet_account_role_receives(budget->account, holder->role, bytes) &&
		pgnet_account_receives(budget->account, holder, bytes);
}

/* The one of a role that goes on; NULL: none is needed. */
static BodyReceiver *
first_of_role(const BodyBudget *budget, const Party *role)
{
	dlist_iter	iter;

	dlist_foreach(iter, unconstify(dlist_head *, &budget->firsts))
	{
		BodyReceiver *first = dlist_container(BodyReceiver, first_node,
											  iter.cur);

		if (first->holder->role == role)
			return first;
	}
	return NULL;
}

static void
make_first(BodyBudget *budget, BodyReceiver *receiver)
{
	dlist_push_tail(&budget->firsts, &receiver->first_node);
	receiver->first = true;
	receiver->moved_bytes = receiver->received;
	INSTR_TIME_SET_CURRENT(receiver->moved);
}

static void
unmake_first(BodyReceiver *receiver)
{
	dlist_delete(&receiver->first_node);
	receiver->first = false;
}

/* Has it brought next to nothing for too long? */
static bool
has_stopped(BodyReceiver *first)
{
	instr_time	since;

	INSTR_TIME_SET_CURRENT(since);
	if (first->received >= first->moved_bytes + LEAST_PROGRESS_BYTES)
	{
		first->moved_bytes = first->received;
		first->moved = since;
		return false;
	}
	INSTR_TIME_SUBTRACT(since, first->moved);
	return INSTR_TIME_GET_MILLISEC(since) >= PGNET_BODY_PATIENCE_MS;
}

/*
 * Is there memory, at the cost of others if need be?  They are ended only when
 * no response is being received, so for a moment there may be more in use than
 * the limit.
 */
static bool
make_room(BodyBudget *budget, const BodyReceiver *receiver, size_t bytes)
{
	const Account *account = budget->account;
	int64		limit = account->limit[PGNET_POOL_RESPONSE_BYTES];

	while (account->used[PGNET_POOL_RESPONSE_BYTES] - budget->promised +
			   (int64) bytes >
		   limit)
	{
		BodyReceiver *victim = largest(budget);

		if (victim == NULL || victim->taken <= receiver->taken)
			return false;
		evict(budget, victim);
	}
	return true;
}

/* Have a transfer ended as soon as no response is being received. */
static void
evict(BodyBudget *budget, BodyReceiver *receiver)
{
	if (receiver->evicted)
		return;
	receiver->evicted = true;
	dlist_push_tail(&budget->evicted, &receiver->evicted_node);
	budget->promised += receiver->taken;
}

/* What its role has, of responses that are recorded soon as well. */
static int64
has_in_all(const BodyReceiver *receiver)
{
	return receiver->holder->role->has[PGNET_POOL_RESPONSE_BYTES];
}

/* The largest response under way of the role that has most; or NULL. */
static BodyReceiver *
largest(const BodyBudget *budget)
{
	BodyReceiver *found = NULL;
	dlist_iter	iter;

	dlist_foreach(iter, unconstify(dlist_head *, &budget->receivers))
	{
		BodyReceiver *other = dlist_container(BodyReceiver, node, iter.cur);
		int64		of_role = has_in_all(other);

		if (other->evicted)
			continue;
		if (found == NULL ||
			of_role > has_in_all(found) ||
			(other->holder->role == found->holder->role &&
			 other->taken > found->taken))
			found = other;
	}
	return found;
}
