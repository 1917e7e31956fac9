/*
 * dispatch.c -- which lane queue sends next, within the limits and shares.
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include "utils/hsearch.h"

#include "settings.h"
#include "share.h"
#include "shared/inflight_global.h"
#include "worker/dispatch.h"
#include "worker/hold.h"

/* Large requests in flight in one lane, beyond the first. */
#define MAX_LANE_REQUEST_BYTES ((int64) 64 * 1024 * 1024)

static LaneQueue *choose(Dispatch *dispatch, QueueState state);
static void set_in_flight_limit(Dispatch *dispatch);
static void unblock(Dispatch *dispatch);
static bool role_may_send(const Dispatch *dispatch, const Role *role);
static bool queue_may_send(const Dispatch *dispatch, LaneQueue *queue);
static bool has_request_room(const Dispatch *dispatch, LaneQueue *queue);
static QueueState state_for(const Dispatch *dispatch, LaneQueue *queue);
static int	compare_held(const pairingheap_node *one,
						 const pairingheap_node *other, void *arg);
static LaneQueue *first_held(const Dispatch *dispatch);
static void update_all(Dispatch *dispatch);
static void enter(Dispatch *dispatch, LaneQueue *queue, QueueState state);
static void leave(Dispatch *dispatch, LaneQueue *queue);

void
pgnet_dispatch_init(Dispatch *dispatch, Jobs *jobs, LaneTable *table)
{
	*dispatch = (Dispatch) {
		.jobs = jobs,
		.table = table,
		.restricted_to = PGNET_UNRESTRICTED
	};
	for (int i = 0; i < QUEUE_NLISTS; i++)
		dlist_init(&dispatch->having[i]);
	dlist_init(&dispatch->blocked);
	dispatch->held = pairingheap_allocate(compare_held, NULL);
}

/* For the heap: what is held least is the largest. */
static int
compare_held(const pairingheap_node *one, const pairingheap_node *other,
			 void *arg)
{
	TimestampTz a;
	TimestampTz b;

	a = pairingheap_const_container(LaneQueue, held_node, one)->held_until;
	b = pairingheap_const_container(LaneQueue, held_node, other)->held_until;
	(void) arg;
	return a > b ? -1 : a < b;
}

static LaneQueue *
first_held(const Dispatch *dispatch)
{
	if (pairingheap_is_empty(dispatch->held))
		return NULL;
	return pairingheap_container(LaneQueue, held_node,
								 pairingheap_first(dispatch->held));
}

void
pgnet_dispatch_set_now(Dispatch *dispatch, TimestampTz now)
{
	LaneQueue  *queue;

	dispatch->now = now;
	while ((queue = first_held(dispatch)) != NULL && queue->held_until <= now)
		pgnet_dispatch_update(dispatch, queue);
}

TimestampTz
pgnet_dispatch_held_due(const Dispatch *dispatch)
{
	const LaneQueue *queue = first_held(dispatch);

	return queue ? queue->held_until : DT_NOEND;
}

void
pgnet_dispatch_set_limits(Dispatch *dispatch, int in_flight,
						  int in_flight_per_lane)
{
	dispatch->max_in_flight = in_flight;
	dispatch->max_in_flight_per_lane = in_flight_per_lane;
	dispatch->jobs->account.limit[PGNET_POOL_UNRECORDED] =
		PGNET_MAX_UNRECORDED + in_flight;
	dispatch->jobs->account.gives++;
	update_all(dispatch);
}

/*
 * If none may go because other workers have all of their common limit in
 * flight, they wake us when they give something back.
 */
LaneQueue *
pgnet_dispatch_next(Dispatch *dispatch, QueueState state)
{
	LaneQueue  *queue = choose(dispatch, state);

	if (queue != NULL ||
		dispatch->jobs->account.limit[PGNET_POOL_IN_FLIGHT] >=
			dispatch->max_in_flight ||
		(dlist_is_empty(&dispatch->having[state]) &&
		 dlist_is_empty(&dispatch->blocked)))
		return queue;
	pgnet_inflight_wait(dispatch->jobs->worker);
	/* one that gave back before that did not see us wait */
	return choose(dispatch, state);
}

/* The first queue of the first role that may send; others become blocked. */
static LaneQueue *
choose(Dispatch *dispatch, QueueState state)
{
	dlist_mutable_iter roles;
	dlist_mutable_iter queues;

	set_in_flight_limit(dispatch);
	unblock(dispatch);
	if (dlist_is_empty(&dispatch->having[state]) ||
		!pgnet_dispatch_has_room(dispatch))
		return NULL;
	dlist_foreach_modify(roles, &dispatch->having[state])
	{
		Role	   *role = dlist_container(Role, nodes[state], roles.cur);

		if (!role_may_send(dispatch, role))
			continue;
		dlist_foreach_modify(queues, &role->queues[state])
		{
			LaneQueue  *queue = dlist_container(LaneQueue, node, queues.cur);

			if (queue_may_send(dispatch, queue))
				return queue;
			enter(dispatch, queue, QUEUE_BLOCKED);
		}
	}
	return NULL;
}

/* Roles share what this worker may have in flight of all workers' limit. */
static void
set_in_flight_limit(Dispatch *dispatch)
{
	Account    *account = &dispatch->jobs->account;
	int64		share = pgnet_inflight_share(dispatch->jobs->worker,
											 pgnet_setting_max_in_flight_total);
	int64		limit = Min(share, dispatch->max_in_flight);

	/* other workers gave back: have those that are blocked try again */
	if (limit > account->limit[PGNET_POOL_IN_FLIGHT])
		account->gives++;
	account->limit[PGNET_POOL_IN_FLIGHT] = limit;
}

/* Have those that are blocked try again if something was given back. */
static void
unblock(Dispatch *dispatch)
{
	uint64		gives = dispatch->jobs->account.gives;
	dlist_mutable_iter iter;

	if (dispatch->gives_seen == gives)
		return;
	dispatch->gives_seen = gives;
	dlist_foreach_modify(iter, &dispatch->blocked)
	{
		LaneQueue  *queue = dlist_container(LaneQueue, node, iter.cur);

		enter(dispatch, queue, state_for(dispatch, queue));
	}
}

/* Is there something left for a role, in all lanes? */
static bool
role_may_send(const Dispatch *dispatch, const Role *role)
{
	const Account *account = &dispatch->jobs->account;
	const Party *party = &role->party;

	return pgnet_account_role_may(account, party, PGNET_POOL_IN_FLIGHT, 1) &&
		pgnet_account_role_may(account, party, PGNET_POOL_UNRECORDED, 1);
}

/* Is there something left for the role in this lane, and for the first row? */
static bool
queue_may_send(const Dispatch *dispatch, LaneQueue *queue)
{
	const Account *account = &dispatch->jobs->account;
	const Holder *holder = &queue->holder;

	return pgnet_account_may(account, holder, PGNET_POOL_IN_FLIGHT, 1) &&
		pgnet_account_may(account, holder, PGNET_POOL_UNRECORDED, 1) &&
		pgnet_account_receives(account, holder, 1) &&
		has_request_room(dispatch, queue);
}

/* May its first row go, large as it is?  The first of a role always may. */
static bool
has_request_room(const Dispatch *dispatch, LaneQueue *queue)
{
	int64		bytes;
	int64		in_lane = queue->holder.lane->has[PGNET_POOL_REQUEST_BYTES];

	bytes = pgnet_job_request_bytes(pgnet_lane_queue_at(queue, 0)->size);
	if (bytes == 0 || queue->holder.role->has[PGNET_POOL_REQUEST_BYTES] == 0)
		return true;
	if (in_lane == 0)
		return pgnet_account_role_may(&dispatch->jobs->account,
									  queue->holder.role,
									  PGNET_POOL_REQUEST_BYTES, bytes);
	return in_lane + bytes <= MAX_LANE_REQUEST_BYTES &&
		pgnet_account_may(&dispatch->jobs->account, &queue->holder,
						  PGNET_POOL_REQUEST_BYTES, bytes);
}

bool
pgnet_dispatch_has_room(const Dispatch *dispatch)
{
	int			limit = Min(dispatch->max_in_flight, dispatch->restricted_to);

	return dispatch->jobs->account.used[PGNET_POOL_IN_FLIGHT] < limit &&
		pgnet_inflight_is_left(dispatch->jobs->worker,
							   pgnet_setting_max_in_flight_total);
}

void
pgnet_dispatch_end_turn(Dispatch *dispatch, LaneQueue *queue)
{
	QueueState	state = queue->state;
	dlist_node *role_node = &queue->role->nodes[state];

	leave(dispatch, queue);
	enter(dispatch, queue, state);
	dlist_delete(role_node);
	dlist_push_tail(&dispatch->having[state], role_node);
	/* the next place in the lane is offered to its queues in this order */
	dlist_delete(&queue->lane_node);
	dlist_push_tail(&queue->lane->queues, &queue->lane_node);
}

void
pgnet_dispatch_update(Dispatch *dispatch, LaneQueue *queue)
{
	QueueState	state = state_for(dispatch, queue);

	pgnet_lane_table_changed(dispatch->table, queue->lane);
	/* one that is blocked stays so, unless its lane has no room for it */
	if (queue->state != QUEUE_BLOCKED || state > QUEUE_BLOCKED)
		enter(dispatch, queue, state);
	if (queue->count > 0)
		return;
	pgnet_lane_queue_free_ring(queue);
	if (pgnet_party_is_empty(&queue->holder.own) && !queue->resume.active)
		pgnet_lane_table_remove(dispatch->table, queue);
}

void
pgnet_dispatch_update_lane(Dispatch *dispatch, Lane *lane)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &lane->queues)
	{
		pgnet_dispatch_update(dispatch,
							  dlist_container(LaneQueue, lane_node, iter.cur));
	}
}

static void
update_all(Dispatch *dispatch)
{
	HASH_SEQ_STATUS all;
	LaneQueue  *queue;

	hash_seq_init(&all, dispatch->table->queues);
	while ((queue = hash_seq_search(&all)) != NULL)
		pgnet_dispatch_update(dispatch, queue);
}

/*
 * The list in which a queue belongs as far as its lane is concerned.  That it
 * is blocked turns out when its role and it are about to send.
 */
static QueueState
state_for(const Dispatch *dispatch, LaneQueue *queue)
{
	const Lane *lane = queue->lane;
	int64		has = queue->holder.own.has[PGNET_POOL_IN_FLIGHT];
	int64		others = lane->party.has[PGNET_POOL_IN_FLIGHT] - has;
	int			limit = pgnet_hold_lane_limit(lane,
											  dispatch->max_in_flight_per_lane);
	int			rest = lane->nqueues <= 1 ? PGNET_REST_OF_ONE :
									PGNET_REST_OF_ROLES;

	limit = Min(limit, lane->restricted_to);
	if (queue->count == 0 || has >= pgnet_share(limit, others, rest) ||
		(has > 0 && pgnet_hold_is_probing(queue)))
		return QUEUE_IDLE;
	if (pgnet_hold_until(queue, dispatch->now) != DT_NOBEGIN)
		return QUEUE_HELD;
	return pgnet_lane_queue_at(queue, 0)->job ? QUEUE_READY : QUEUE_NEEDS_LOAD;
}

/* Put a queue at the end of the list for a state, if it is not in it. */
static void
enter(Dispatch *dispatch, LaneQueue *queue, QueueState state)
{
	Role	   *role = queue->role;

	/* one that is held may be held for longer */
	if (queue->state == state && state != QUEUE_HELD)
		return;
	leave(dispatch, queue);
	queue->state = state;
	if (state == QUEUE_HELD)
	{
		queue->held_until = pgnet_hold_until(queue, dispatch->now);
		pairingheap_add(dispatch->held, &queue->held_node);
	}
	if (state == QUEUE_BLOCKED)
		dlist_push_tail(&dispatch->blocked, &queue->node);
	if (state >= QUEUE_NLISTS)
		return;
	if (dlist_is_empty(&role->queues[state]))
		dlist_push_tail(&dispatch->having[state], &role->nodes[state]);
	dlist_push_tail(&role->queues[state], &queue->node);
}

/* Take a queue from its list, and its role from those that have such queues. */
static void
leave(Dispatch *dispatch, LaneQueue *queue)
{
	Role	   *role = queue->role;
	QueueState	state = queue->state;

	queue->state = QUEUE_IDLE;
	if (state == QUEUE_IDLE)
		return;
	if (state == QUEUE_HELD)
	{
		pairingheap_remove(dispatch->held, &queue->held_node);
		return;
	}
	dlist_delete(&queue->node);
	if (state < QUEUE_NLISTS && dlist_is_empty(&role->queues[state]))
		dlist_delete(&role->nodes[state]);
}

void
pgnet_dispatch_restrict(Dispatch *dispatch)
{
	dispatch->restricted_to = pgnet_jobs_in_flight(dispatch->jobs);
}

void
pgnet_dispatch_restrict_lane(Dispatch *dispatch, Lane *lane)
{
	lane->restricted_to = lane->party.has[PGNET_POOL_IN_FLIGHT];
	pgnet_dispatch_update_lane(dispatch, lane);
}

/*
 * A lane is short of ports, which come back with time and not when a request
 * ends: it has all its room at once.
 */
bool
pgnet_dispatch_relax(Dispatch *dispatch)
{
	HASH_SEQ_STATUS all;
	Lane	   *lane;

	hash_seq_init(&all, dispatch->table->lanes);
	while ((lane = hash_seq_search(&all)) != NULL)
		lane->restricted_to = PGNET_UNRESTRICTED;
	if (dispatch->restricted_to < dispatch->max_in_flight / 2)
		dispatch->restricted_to = Max(dispatch->restricted_to * 2, 1);
	else
		dispatch->restricted_to = PGNET_UNRESTRICTED;
	update_all(dispatch);
	return dispatch->restricted_to == PGNET_UNRESTRICTED;
}
