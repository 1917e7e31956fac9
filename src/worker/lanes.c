/*
 * lanes.c -- the rows a worker knows, by the lanes they wait in.
 *
 * Runs in: workers.
 *
 * Nouns: a lane is what goes to one origin; a role is who asked; a queue has
 * the waiting rows of one role in one lane, first come first served.  It is in
 * one of four lists, and queue_settle() moves it:
 *
 *   ready       its lane has room for it, and its first row is in memory
 *   needs load  its lane has room for it, and its first row is an id
 *   blocked     but something else that is shared has no room for it
 *   idle        it has nothing waiting, or as much in flight as it may have
 *
 * Roles take turns, and the queues of a role: so neither a role with many
 * requests nor a lane with many delays others.
 */
#include "postgres.h"

#include "lib/ilist.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "settings.h"
#include "share.h"
#include "shared/inflight_global.h"
#include "worker/known_ids.h"
#include "worker/lanes.h"

/* Waiting requests held whole, together. */
#define MAX_LOADED_BYTES ((size_t) 4 * 1024 * 1024)

/* What one read of waiting rows may bring, beyond its first row. */
#define MAX_LOAD_BYTES ((size_t) 8 * 1024 * 1024)

/* Large requests in flight in one lane, beyond the first. */
#define MAX_LANE_REQUEST_BYTES ((int64) 64 * 1024 * 1024)

/* Rows that are known in one queue; with half as many it is refilled. */
#define MAX_QUEUE_IDS 10000

/* No restriction beside the limits. */
#define UNRESTRICTED PG_INT32_MAX

struct Lanes
{
	MemoryContext context;
	Jobs	   *jobs;
	LaneLimits	limits;
	int			restricted_to;	/* in flight at most, whatever the limit */
	known_hash *known;
	HTAB	   *lanes;
	HTAB	   *roles;
	HTAB	   *queues;
	dlist_head	having[QUEUE_NLISTS];	/* roles that have such queues */
	dlist_head	blocked;
	uint64		gives_seen;		/* of the account, when those were tried */
	dlist_head	resumes;
	LaneQueue  *loading;		/* see pgnet_lanes_to_load() */
	size_t		loaded_bytes;	/* of jobs that wait */
};

static HTAB *make_hash(const char *name, MemoryContext context, Size key,
					   Size entry);
static LaneQueue *queue_of(const Job *job);
static LaneQueue *queue_with_holder(Holder *holder);
static LaneQueue *get_queue(Lanes *lanes, uint64 lane_key, Oid role);
static Lane *get_lane(Lanes *lanes, uint64 key);
static Role *get_role(Lanes *lanes, Oid oid);
static void remember(Lanes *lanes, Job *job, LaneQueue *queue);
static void forget(Lanes *lanes, int64 id);
static bool admits(Lanes *lanes, Resume *resume, int64 id, bool refill,
				   bool has_room);
static bool role_has_room(const Lanes *lanes, const Role *role);
static bool queue_has_room(const Lanes *lanes, const LaneQueue *queue);
static LaneQueue *queue_with(const Resume *resume);
static Role *role_with(const Resume *resume);
static bool is_low(const Lanes *lanes, const Resume *resume);
static LaneQueue *choose(Lanes *lanes, QueueState state);
static LaneQueue *try_to_choose(Lanes *lanes, QueueState state);
static void set_in_flight_limit(Lanes *lanes);
static void unblock(Lanes *lanes);
static bool role_may_send(const Lanes *lanes, const Role *role);
static bool queue_may_send(const Lanes *lanes, LaneQueue *queue);
static bool has_request_room(const Lanes *lanes, LaneQueue *queue);
static QueueState state_for(const Lanes *lanes, LaneQueue *queue);
static void queue_settle(Lanes *lanes, LaneQueue *queue);
static void lane_settle(Lanes *lanes, Lane *lane);
static void all_settle(Lanes *lanes);
static void queue_enter(Lanes *lanes, LaneQueue *queue, QueueState state);
static void queue_leave(LaneQueue *queue);
static void queue_turn(Lanes *lanes, LaneQueue *queue);
static void queue_end(Lanes *lanes, LaneQueue *queue);
static void queue_push(Lanes *lanes, LaneQueue *queue, LaneRow row, bool first);
static LaneRow queue_pop(Lanes *lanes, LaneQueue *queue);
static void drop_content(Lanes *lanes, LaneRow *row);

Lanes *
pgnet_lanes_create(MemoryContext parent, Jobs *jobs)
{
	MemoryContext context = AllocSetContextCreate(parent, "pg_net lanes",
												  ALLOCSET_DEFAULT_SIZES);
	Lanes	   *lanes = MemoryContextAllocZero(context, sizeof(Lanes));

	lanes->context = context;
	lanes->jobs = jobs;
	lanes->restricted_to = UNRESTRICTED;
	lanes->known = known_create(context, 1024, NULL);
	lanes->lanes = make_hash("pg_net lanes", context, sizeof(uint64),
							 sizeof(Lane));
	lanes->roles = make_hash("pg_net roles", context, sizeof(Oid),
							 sizeof(Role));
	lanes->queues = make_hash("pg_net lane queues", context,
							  sizeof(LaneQueueKey), sizeof(LaneQueue));
	for (int i = 0; i < QUEUE_NLISTS; i++)
		dlist_init(&lanes->having[i]);
	dlist_init(&lanes->blocked);
	dlist_init(&lanes->resumes);
	return lanes;
}

static HTAB *
make_hash(const char *name, MemoryContext context, Size key, Size entry)
{
	HASHCTL		control = {
		.keysize = key,
		.entrysize = entry,
		.hcxt = context
	};

	return hash_create(name, 64, &control,
					   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

void
pgnet_lanes_clear(Lanes *lanes)
{
	HASH_SEQ_STATUS all;
	LaneQueue  *queue;
	known_iterator ids;
	KnownId    *known;

	known_start_iterate(lanes->known, &ids);
	while ((known = known_iterate(lanes->known, &ids)) != NULL)
		pgnet_account_give(&lanes->jobs->account, &known->queue->holder,
						   PGNET_POOL_IDS, 1);
	known_reset(lanes->known);

	while (!dlist_is_empty(&lanes->resumes))
	{
		Resume	   *resume = dlist_head_element(Resume, node, &lanes->resumes);

		dlist_delete(&resume->node);
		resume->active = resume->refilling = false;
	}
	hash_seq_init(&all, lanes->queues);
	while ((queue = hash_seq_search(&all)) != NULL)
	{
		while (queue->count > 0)
		{
			LaneRow		row = queue_pop(lanes, queue);

			drop_content(lanes, &row);
		}
		queue_settle(lanes, queue);
	}
}

void
pgnet_lanes_unload(Lanes *lanes)
{
	HASH_SEQ_STATUS all;
	LaneQueue  *queue;

	hash_seq_init(&all, lanes->queues);
	while ((queue = hash_seq_search(&all)) != NULL)
	{
		for (int i = 0; i < queue->count; i++)
			drop_content(lanes, pgnet_lane_queue_at(queue, i));
		queue_settle(lanes, queue);
	}
	lanes->loaded_bytes = 0;
}

void
pgnet_lanes_set_limits(Lanes *lanes, LaneLimits limits)
{
	lanes->limits = limits;
	lanes->jobs->account.gives++;
	all_settle(lanes);
}

bool
pgnet_lanes_know(const Lanes *lanes, int64 id)
{
	return known_lookup(lanes->known, id) != NULL;
}

bool
pgnet_lanes_admit(Lanes *lanes, Job *job, bool refill)
{
	Role	   *role;
	LaneQueue  *queue;
	bool		admitted;

	if (pgnet_lanes_know(lanes, job->id))
		return false;
	role = get_role(lanes, job->role);
	if (!admits(lanes, &role->resume, job->id, refill,
				role_has_room(lanes, role)))
		return false;
	queue = get_queue(lanes, job->lane_key, job->role);
	admitted = admits(lanes, &queue->resume, job->id, refill,
					  queue_has_room(lanes, queue));
	if (admitted)
		remember(lanes, job, queue);
	return admitted;
}

void
pgnet_lanes_remember(Lanes *lanes, Job *job)
{
	remember(lanes, job, get_queue(lanes, job->lane_key, job->role));
}

void
pgnet_lanes_add(Lanes *lanes, Job *job)
{
	LaneQueue  *queue = known_lookup(lanes->known, job->id)->queue;
	LaneRow		row = pgnet_lane_row(job);
	bool		goes_soon = queue->lane->party.has[PGNET_POOL_IN_FLIGHT] +
			queue->count <
		lanes->limits.in_flight_per_lane;

	/* what may go at once stays whole, whatever it weighs */
	if (!job->loaded || (pgnet_lanes_are_rich(lanes) && !goes_soon))
	{
		pgnet_job_free(job);
		row.job = NULL;
	}
	else
		pgnet_job_move(lanes->jobs, job, PGNET_JOB_LOADED);
	queue_push(lanes, queue, row, false);
	queue_settle(lanes, queue);
}

Job *
pgnet_lanes_next(Lanes *lanes)
{
	LaneQueue  *queue = choose(lanes, QUEUE_READY);
	Job		   *job;

	if (queue == NULL)
		return NULL;
	job = queue_pop(lanes, queue).job;
	pgnet_job_move(lanes->jobs, job, PGNET_JOB_PREPARED);
	queue_turn(lanes, queue);
	lane_settle(lanes, queue->lane);
	return job;
}

int
pgnet_lanes_to_load(Lanes *lanes, int64 *ids, int max)
{
	LaneQueue  *queue = choose(lanes, QUEUE_NEEDS_LOAD);
	size_t		bytes = 0;
	int			nids = 0;

	lanes->loading = queue;
	while (queue != NULL && nids < Min(queue->count, max))
	{
		const LaneRow *row = pgnet_lane_queue_at(queue, nids);

		bytes += row->size;
		if (row->job != NULL || (nids > 0 && bytes > MAX_LOAD_BYTES))
			break;
		ids[nids++] = row->id;
	}
	return nids;
}

/*
 * Loaded jobs take the places of the first rows of the queue.  One whose URL
 * or role somebody changed meanwhile goes to the end of another.
 */
void
pgnet_lanes_loaded(Lanes *lanes, int nids, dlist_head *jobs)
{
	LaneQueue  *queue = lanes->loading;

	for (int i = 0; i < nids; i++)
		forget(lanes, queue_pop(lanes, queue).id);

	/* from the last to the first, so that they stand in order again */
	while (!dlist_is_empty(jobs))
	{
		Job		   *job = dlist_tail_element(Job, node, jobs);
		LaneQueue  *its = get_queue(lanes, job->lane_key, job->role);

		dlist_delete(&job->node);
		remember(lanes, job, its);
		pgnet_job_move(lanes->jobs, job, PGNET_JOB_LOADED);
		queue_push(lanes, its, pgnet_lane_row(job), its == queue);
		if (its != queue)
			queue_settle(lanes, its);
	}
	queue_settle(lanes, queue);
}

void
pgnet_lanes_postpone(Lanes *lanes)
{
	LaneQueue  *queue = lanes->loading;

	queue_push(lanes, queue, queue_pop(lanes, queue), false);
	queue_turn(lanes, queue);
	queue_settle(lanes, queue);
}

void
pgnet_lanes_finished(Lanes *lanes, Job *job)
{
	pgnet_job_move(lanes->jobs, job, PGNET_JOB_FINISHED);
	lane_settle(lanes, queue_of(job)->lane);
}

void
pgnet_lanes_put_back(Lanes *lanes, Job *job)
{
	LaneQueue  *queue = queue_of(job);

	pgnet_job_move(lanes->jobs, job, PGNET_JOB_LOADED);
	pgnet_lane_queue_push_early(queue, lanes->context, pgnet_lane_row(job));
	lanes->loaded_bytes += job->size;
	lane_settle(lanes, queue->lane);
}

void
pgnet_lanes_discard(Lanes *lanes, Job *job)
{
	Lane	   *lane = queue_of(job)->lane;

	pgnet_job_move(lanes->jobs, job, PGNET_JOB_KNOWN);
	pgnet_job_free(job);
	lane_settle(lanes, lane);
}

void
pgnet_lanes_end(Lanes *lanes, Job *job, bool known)
{
	LaneQueue  *queue = queue_of(job);

	pgnet_job_move(lanes->jobs, job, PGNET_JOB_RECORDED);
	if (known)
		forget(lanes, job->id);
	/* which gives back what its response took */
	pgnet_job_free(job);
	queue_settle(lanes, queue);
}

void
pgnet_lanes_restrict(Lanes *lanes)
{
	lanes->restricted_to = pgnet_jobs_in_flight(lanes->jobs);
}

void
pgnet_lanes_restrict_lane(Lanes *lanes, uint64 lane_key)
{
	Lane	   *lane = hash_search(lanes->lanes, &lane_key, HASH_FIND, NULL);

	lane->restricted_to = lane->party.has[PGNET_POOL_IN_FLIGHT];
	lane_settle(lanes, lane);
}

/*
 * A lane is short of ports, which come back with time and not when a request
 * ends: it has all its room at once.
 */
bool
pgnet_lanes_relax(Lanes *lanes)
{
	HASH_SEQ_STATUS all;
	Lane	   *lane;

	hash_seq_init(&all, lanes->lanes);
	while ((lane = hash_seq_search(&all)) != NULL)
		lane->restricted_to = UNRESTRICTED;
	if (lanes->restricted_to < lanes->limits.in_flight / 2)
		lanes->restricted_to = Max(lanes->restricted_to * 2, 1);
	else
		lanes->restricted_to = UNRESTRICTED;
	all_settle(lanes);
	return lanes->restricted_to == UNRESTRICTED;
}

void
pgnet_lanes_end_lookups(Lanes *lanes, int running)
{
	Holder	   *holder;

	while ((holder = pgnet_jobs_end_lookup(lanes->jobs, running)) != NULL)
		lane_settle(lanes, queue_with_holder(holder)->lane);
}

int64
pgnet_lanes_refill(Lanes *lanes)
{
	int64		from = PG_INT64_MAX;
	dlist_iter	iter;

	dlist_foreach(iter, &lanes->resumes)
	{
		Resume	   *resume = dlist_container(Resume, node, iter.cur);

		if (!is_low(lanes, resume))
			continue;
		resume->refilling = true;
		resume->full = false;
		from = Min(from, resume->from);
	}
	return from;
}

bool
pgnet_lanes_are_refilled(const Lanes *lanes)
{
	dlist_iter	iter;

	dlist_foreach(iter, unconstify(dlist_head *, &lanes->resumes))
	{
		Resume	   *resume = dlist_container(Resume, node, iter.cur);

		if (resume->refilling && !resume->full)
			return false;
	}
	return true;
}

void
pgnet_lanes_refilled(Lanes *lanes, int64 next_id, bool to_the_end)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &lanes->resumes)
	{
		Resume	   *resume = dlist_container(Resume, node, iter.cur);

		if (!resume->refilling)
			continue;
		resume->refilling = false;
		if (resume->full)
			continue;
		resume->from = Max(resume->from, next_id);
		resume->active = !to_the_end;
		if (!to_the_end)
			continue;
		dlist_delete(&resume->node);
		if (!resume->of_role)
			queue_settle(lanes, queue_with(resume));
	}
}

bool
pgnet_lanes_overflow(const Lanes *lanes)
{
	return !dlist_is_empty(unconstify(dlist_head *, &lanes->resumes));
}

bool
pgnet_lanes_have_room(const Lanes *lanes)
{
	int			limit = Min(lanes->limits.in_flight, lanes->restricted_to);

	return lanes->jobs->account.used[PGNET_POOL_IN_FLIGHT] < limit &&
		pgnet_inflight_is_left(lanes->jobs->worker,
							   pgnet_setting_max_in_flight_total);
}

bool
pgnet_lanes_have_ready(Lanes *lanes)
{
	return choose(lanes, QUEUE_READY) != NULL;
}

bool
pgnet_lanes_need_load(Lanes *lanes)
{
	return choose(lanes, QUEUE_NEEDS_LOAD) != NULL;
}

bool
pgnet_lanes_are_rich(const Lanes *lanes)
{
	return lanes->loaded_bytes >= MAX_LOADED_BYTES;
}

uint32
pgnet_lanes_known(const Lanes *lanes)
{
	return lanes->known->members;
}

/* The queue that a job with a holder belongs to. */
static LaneQueue *
queue_of(const Job *job)
{
	return queue_with_holder(job->holder);
}

static LaneQueue *
queue_with_holder(Holder *holder)
{
	return (LaneQueue *) ((char *) holder - offsetof(LaneQueue, holder));
}

/* The queue of a role in a lane, made if need be. */
static LaneQueue *
get_queue(Lanes *lanes, uint64 lane_key, Oid role)
{
	LaneQueueKey key = {.lane = lane_key, .role = role};
	bool		found;
	LaneQueue  *queue = hash_search(lanes->queues, &key, HASH_ENTER, &found);

	if (found)
		return queue;
	*queue = (LaneQueue) {
		.key = key,
		.lane = get_lane(lanes, lane_key),
		.role = get_role(lanes, role),
		.state = QUEUE_IDLE
	};
	queue->holder.lane = &queue->lane->party;
	queue->holder.role = &queue->role->party;
	dlist_push_tail(&queue->lane->queues, &queue->lane_node);
	queue->lane->nqueues++;
	if (queue->role->party.nholders++ == 0)
		lanes->jobs->account.nroles++;
	return queue;
}

static Lane *
get_lane(Lanes *lanes, uint64 key)
{
	bool		found;
	Lane	   *lane = hash_search(lanes->lanes, &key, HASH_ENTER, &found);

	if (!found)
	{
		*lane = (Lane) {.key = key, .restricted_to = UNRESTRICTED};
		dlist_init(&lane->queues);
	}
	return lane;
}

/* Roles are few: they stay. */
static Role *
get_role(Lanes *lanes, Oid oid)
{
	bool		found;
	Role	   *role = hash_search(lanes->roles, &oid, HASH_ENTER, &found);

	if (!found)
	{
		*role = (Role) {.oid = oid, .resume.of_role = true};
		for (int i = 0; i < QUEUE_NLISTS; i++)
			dlist_init(&role->queues[i]);
	}
	return role;
}

/* Charge a row that is not known to a queue. */
static void
remember(Lanes *lanes, Job *job, LaneQueue *queue)
{
	bool		found;

	KnownId    *known = known_insert(lanes->known, job->id, &found);

	/* without a primary key there may be two rows with an id */
	if (!found)
	{
		known->queue = queue;
		pgnet_account_take(&lanes->jobs->account, &queue->holder,
						   PGNET_POOL_IDS, 1);
	}
	job->holder = &queue->holder;
}

/* Forget a row; its queue is to be settled. */
static void
forget(Lanes *lanes, int64 id)
{
	KnownId    *known = known_lookup(lanes->known, id);

	/* somebody made the tables anew */
	if (known == NULL)
		return;
	pgnet_account_give(&lanes->jobs->account, &known->queue->holder,
					   PGNET_POOL_IDS, 1);
	known_delete_item(lanes->known, known);
}

/*
 * May a row be known, as far as one lane or role is concerned?  If not, note
 * where to read on.  Behind that point rows are taken only in a refill, lest
 * they overtake those before them.
 */
static bool
admits(Lanes *lanes, Resume *resume, int64 id, bool refill, bool has_room)
{
	bool		in_refill = refill && resume->refilling && !resume->full;

	if (resume->active && id >= resume->from && !in_refill)
		return false;
	if (has_room)
	{
		if (resume->active && id >= resume->from)
			resume->from = id + 1;
		return true;
	}
	if (!resume->active)
		dlist_push_tail(&lanes->resumes, &resume->node);
	resume->active = true;
	resume->from = id;
	resume->full = true;
	return false;
}

static bool
role_has_room(const Lanes *lanes, const Role *role)
{
	const Account *account = &lanes->jobs->account;

	return pgnet_account_role_may(account, &role->party, PGNET_POOL_IDS, 1) &&
		pgnet_account_role_may(account, &role->party, PGNET_POOL_UNRECORDED, 1);
}

static bool
queue_has_room(const Lanes *lanes, const LaneQueue *queue)
{
	const Account *account = &lanes->jobs->account;
	const Holder *holder = &queue->holder;

	return holder->own.has[PGNET_POOL_IDS] < MAX_QUEUE_IDS &&
		pgnet_account_may(account, holder, PGNET_POOL_IDS, 1) &&
		pgnet_account_may(account, holder, PGNET_POOL_UNRECORDED, 1);
}

/* Whose is it? */
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

/* Is there room for as many again as are known? */
static bool
is_low(const Lanes *lanes, const Resume *resume)
{
	const Account *account = &lanes->jobs->account;
	const LaneQueue *queue;
	const Role *role;
	int64		has;

	if (resume->of_role)
	{
		role = role_with(resume);
		has = role->party.has[PGNET_POOL_IDS];
		return role_has_room(lanes, role) &&
			pgnet_account_role_may(account, &role->party, PGNET_POOL_IDS, has);
	}
	queue = queue_with(resume);
	has = queue->holder.own.has[PGNET_POOL_IDS];
	return queue_has_room(lanes, queue) && has <= MAX_QUEUE_IDS / 2 &&
		pgnet_account_may(account, &queue->holder, PGNET_POOL_IDS, has);
}

/*
 * The queue in a state, of those by role, whose turn it is; or NULL.  If that
 * is for want of what other workers have, they wake us when they give back.
 */
static LaneQueue *
choose(Lanes *lanes, QueueState state)
{
	LaneQueue  *queue = try_to_choose(lanes, state);

	if (queue != NULL ||
		lanes->jobs->account.limit[PGNET_POOL_IN_FLIGHT] >=
			lanes->limits.in_flight ||
		(dlist_is_empty(&lanes->having[state]) &&
		 dlist_is_empty(&lanes->blocked)))
		return queue;
	pgnet_inflight_wait(lanes->jobs->worker);
	/* whoever gave back before that did not see us wait */
	return try_to_choose(lanes, state);
}

static LaneQueue *
try_to_choose(Lanes *lanes, QueueState state)
{
	dlist_mutable_iter roles;
	dlist_mutable_iter queues;

	set_in_flight_limit(lanes);
	unblock(lanes);
	if (dlist_is_empty(&lanes->having[state]) || !pgnet_lanes_have_room(lanes))
		return NULL;
	dlist_foreach_modify(roles, &lanes->having[state])
	{
		Role	   *role = dlist_container(Role, nodes[state], roles.cur);

		if (!role_may_send(lanes, role))
			continue;
		dlist_foreach_modify(queues, &role->queues[state])
		{
			LaneQueue  *queue = dlist_container(LaneQueue, node, queues.cur);

			if (queue_may_send(lanes, queue))
				return queue;
			queue_enter(lanes, queue, QUEUE_BLOCKED);
		}
	}
	return NULL;
}

/* Roles share what this worker may have in flight of all workers' limit. */
static void
set_in_flight_limit(Lanes *lanes)
{
	Account    *account = &lanes->jobs->account;
	int64		share = pgnet_inflight_share(lanes->jobs->worker,
											 pgnet_setting_max_in_flight_total);
	int64		limit = Min(share, lanes->limits.in_flight);

	/* others gave back, which is as good as if we had */
	if (limit > account->limit[PGNET_POOL_IN_FLIGHT])
		account->gives++;
	account->limit[PGNET_POOL_IN_FLIGHT] = limit;
}

/* Somebody gave something back: have those that are blocked try again. */
static void
unblock(Lanes *lanes)
{
	uint64		gives = lanes->jobs->account.gives;
	dlist_mutable_iter iter;

	if (lanes->gives_seen == gives)
		return;
	lanes->gives_seen = gives;
	dlist_foreach_modify(iter, &lanes->blocked)
	{
		LaneQueue  *queue = dlist_container(LaneQueue, node, iter.cur);

		queue_enter(lanes, queue, state_for(lanes, queue));
	}
}

/* Is there something left for a role, in all lanes? */
static bool
role_may_send(const Lanes *lanes, const Role *role)
{
	const Account *account = &lanes->jobs->account;
	const Party *party = &role->party;

	return pgnet_account_role_may(account, party, PGNET_POOL_IN_FLIGHT, 1) &&
		pgnet_account_role_may(account, party, PGNET_POOL_UNRECORDED, 1);
}

/* Is there something left for the role in this lane, and for the first row? */
static bool
queue_may_send(const Lanes *lanes, LaneQueue *queue)
{
	const Account *account = &lanes->jobs->account;
	const Holder *holder = &queue->holder;

	return pgnet_account_may(account, holder, PGNET_POOL_IN_FLIGHT, 1) &&
		pgnet_account_may(account, holder, PGNET_POOL_UNRECORDED, 1) &&
		pgnet_account_receives(account, holder, 1) &&
		has_request_room(lanes, queue);
}

/* May its first row go, large as it is?  The first of a role always may. */
static bool
has_request_room(const Lanes *lanes, LaneQueue *queue)
{
	int64		bytes;
	int64		in_lane = queue->holder.lane->has[PGNET_POOL_REQUEST_BYTES];

	bytes = pgnet_job_request_bytes(pgnet_lane_queue_at(queue, 0)->size);
	if (bytes == 0 || queue->holder.role->has[PGNET_POOL_REQUEST_BYTES] == 0)
		return true;
	if (in_lane == 0)
		return pgnet_account_role_may(&lanes->jobs->account,
									  queue->holder.role,
									  PGNET_POOL_REQUEST_BYTES, bytes);
	return in_lane + bytes <= MAX_LANE_REQUEST_BYTES &&
		pgnet_account_may(&lanes->jobs->account, &queue->holder,
						  PGNET_POOL_REQUEST_BYTES, bytes);
}

/* The list that a queue belongs in, as far as its lane is concerned. */
static QueueState
state_for(const Lanes *lanes, LaneQueue *queue)
{
	const Lane *lane = queue->lane;
	int64		has = queue->holder.own.has[PGNET_POOL_IN_FLIGHT];
	int64		others = lane->party.has[PGNET_POOL_IN_FLIGHT] - has;
	int			limit = Min(lanes->limits.in_flight_per_lane,
							lane->restricted_to);
	int			rest = lane->nqueues <= 1 ? PGNET_REST_OF_ONE :
									PGNET_REST_OF_ROLES;

	if (queue->count == 0 ||
		has >= pgnet_share(limit, others, rest))
		return QUEUE_IDLE;
	return pgnet_lane_queue_at(queue, 0)->job ? QUEUE_READY : QUEUE_NEEDS_LOAD;
}

/*
 * Move a queue to the list where it belongs now, or end it when nothing is left
 * of it: the caller must not use it after that.
 */
static void
queue_settle(Lanes *lanes, LaneQueue *queue)
{
	QueueState	state = state_for(lanes, queue);

	/* one that is blocked stays so, unless it has nothing to send */
	if (queue->state != QUEUE_BLOCKED || state == QUEUE_IDLE)
		queue_enter(lanes, queue, state);
	if (queue->count > 0)
		return;
	pgnet_lane_queue_free_ring(queue);
	if (pgnet_party_is_empty(&queue->holder.own) && !queue->resume.active)
		queue_end(lanes, queue);
}

/* What a lane has in flight changed. */
static void
lane_settle(Lanes *lanes, Lane *lane)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &lane->queues)
	{
		queue_settle(lanes, dlist_container(LaneQueue, lane_node, iter.cur));
	}
}

/* Limits changed. */
static void
all_settle(Lanes *lanes)
{
	HASH_SEQ_STATUS all;
	LaneQueue  *queue;

	hash_seq_init(&all, lanes->queues);
	while ((queue = hash_seq_search(&all)) != NULL)
		queue_settle(lanes, queue);
}

/* Put a queue at the end of the list for a state, if it is not in it. */
static void
queue_enter(Lanes *lanes, LaneQueue *queue, QueueState state)
{
	Role	   *role = queue->role;

	if (queue->state == state)
		return;
	queue_leave(queue);
	queue->state = state;
	if (state == QUEUE_BLOCKED)
		dlist_push_tail(&lanes->blocked, &queue->node);
	if (state >= QUEUE_NLISTS)
		return;
	if (dlist_is_empty(&role->queues[state]))
		dlist_push_tail(&lanes->having[state], &role->nodes[state]);
	dlist_push_tail(&role->queues[state], &queue->node);
}

/* Take a queue from its list. */
static void
queue_leave(LaneQueue *queue)
{
	Role	   *role = queue->role;
	QueueState	state = queue->state;

	queue->state = QUEUE_IDLE;
	if (state == QUEUE_IDLE)
		return;
	dlist_delete(&queue->node);
	if (state < QUEUE_NLISTS && dlist_is_empty(&role->queues[state]))
		dlist_delete(&role->nodes[state]);
}

/* A queue had its turn, and its role: others are next. */
static void
queue_turn(Lanes *lanes, LaneQueue *queue)
{
	QueueState	state = queue->state;
	dlist_node *role_node = &queue->role->nodes[state];

	queue_leave(queue);
	queue_enter(lanes, queue, state);
	dlist_delete(role_node);
	dlist_push_tail(&lanes->having[state], role_node);
	/* the next place in the lane is offered to its queues in this order */
	dlist_delete(&queue->lane_node);
	dlist_push_tail(&queue->lane->queues, &queue->lane_node);
}

/* Nothing is left of a queue. */
static void
queue_end(Lanes *lanes, LaneQueue *queue)
{
	Lane	   *lane = queue->lane;

	dlist_delete(&queue->lane_node);
	if (--queue->role->party.nholders == 0)
		lanes->jobs->account.nroles--;
	/* whoever is alone now may have more */
	lanes->jobs->account.gives++;
	hash_search(lanes->queues, &queue->key, HASH_REMOVE, NULL);
	if (--lane->nqueues == 0)
		hash_search(lanes->lanes, &lane->key, HASH_REMOVE, NULL);
}

/* Have a row wait, at the end or at the front. */
static void
queue_push(Lanes *lanes, LaneQueue *queue, LaneRow row, bool first)
{
	if (first)
		pgnet_lane_queue_push_first(queue, lanes->context, row);
	else
		pgnet_lane_queue_push_last(queue, lanes->context, row);
	if (row.job != NULL)
		lanes->loaded_bytes += row.size;
}

/* Take the first row of a queue. */
static LaneRow
queue_pop(Lanes *lanes, LaneQueue *queue)
{
	LaneRow		row = pgnet_lane_queue_pop(queue);

	if (row.job != NULL)
		lanes->loaded_bytes -= row.size;
	return row;
}

/* Keep no more than the id of a row. */
static void
drop_content(Lanes *lanes, LaneRow *row)
{
	if (row->job == NULL)
		return;
	pgnet_job_move(lanes->jobs, row->job, PGNET_JOB_KNOWN);
	pgnet_job_free(row->job);
	row->job = NULL;
}
