/*
 * lanes.c -- the rows a worker knows, by the lanes they wait in.
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include "lib/ilist.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "worker/counting.h"
#include "worker/known_ids.h"
#include "worker/lane_table.h"
#include "worker/lanes.h"
#include "worker/refill.h"
#include "worker/dispatch.h"
#include "worker/hold.h"

/* Waiting requests held whole, together. */
#define MAX_LOADED_BYTES ((size_t) 4 * 1024 * 1024)

/* What one read of waiting rows may bring, beyond its first row. */
#define MAX_LOAD_BYTES ((size_t) 8 * 1024 * 1024)

struct Lanes
{
	MemoryContext context;
	Jobs	   *jobs;
	known_hash *known;
	LaneTable	table;
	Dispatch	dispatch;
	Refill		refill;
	LaneQueue  *loading;		/* see pgnet_lanes_to_load() */
	size_t		loaded_bytes;	/* of jobs that wait */
};

static LaneQueue *queue_of(const Job *job);
static LaneQueue *queue_with_holder(Holder *holder);
static void remember(Lanes *lanes, Job *job, LaneQueue *queue);
static void forget(Lanes *lanes, int64 id);
static void queue_push(Lanes *lanes, LaneQueue *queue, LaneRow row, bool first);
static LaneRow queue_pop(Lanes *lanes, LaneQueue *queue);
static bool drop_stale(Lanes *lanes, LaneQueue *queue, TimestampTz now);
static void drop_content(Lanes *lanes, LaneRow *row);

Lanes *
pgnet_lanes_create(MemoryContext parent, Jobs *jobs)
{
	MemoryContext context = AllocSetContextCreate(parent, "pg_net lanes",
												  ALLOCSET_DEFAULT_SIZES);
	Lanes	   *lanes = MemoryContextAllocZero(context, sizeof(Lanes));

	lanes->context = context;
	lanes->jobs = jobs;
	lanes->known = known_create(context, 1024, NULL);
	pgnet_lane_table_init(&lanes->table, context, &jobs->account);
	pgnet_dispatch_init(&lanes->dispatch, jobs, &lanes->table);
	pgnet_refill_init(&lanes->refill, &jobs->account);
	return lanes;
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
	pgnet_refill_clear(&lanes->refill);
	hash_seq_init(&all, lanes->table.queues);
	while ((queue = hash_seq_search(&all)) != NULL)
	{
		while (queue->count > 0)
		{
			LaneRow		row = queue_pop(lanes, queue);

			drop_content(lanes, &row);
		}
		pgnet_dispatch_update(&lanes->dispatch, queue);
	}
}

void
pgnet_lanes_unload(Lanes *lanes)
{
	HASH_SEQ_STATUS all;
	LaneQueue  *queue;

	hash_seq_init(&all, lanes->table.queues);
	while ((queue = hash_seq_search(&all)) != NULL)
	{
		for (int i = 0; i < queue->count; i++)
			drop_content(lanes, pgnet_lane_queue_at(queue, i));
		pgnet_dispatch_update(&lanes->dispatch, queue);
	}
	lanes->loaded_bytes = 0;
}

void
pgnet_lanes_set_limits(Lanes *lanes, LaneLimits limits)
{
	pgnet_dispatch_set_limits(&lanes->dispatch, limits.in_flight,
							  limits.in_flight_per_lane);
}

void
pgnet_lanes_set_now(Lanes *lanes, TimestampTz now)
{
	pgnet_dispatch_set_now(&lanes->dispatch, now);
}

TimestampTz
pgnet_lanes_held_due(const Lanes *lanes)
{
	return pgnet_dispatch_held_due(&lanes->dispatch);
}

void
pgnet_lanes_set_policy(Lanes *lanes, uint64 lane_key, const char *endpoint,
					   const LanePolicy *policy)
{
	Lane	   *lane = pgnet_lane_table_find_lane(&lanes->table, lane_key);

	if (lane == NULL)
		return;
	if (lane->endpoint == NULL)
		lane->endpoint = MemoryContextStrdup(lanes->context, endpoint);
	else if (lane->policy.version == policy->version)
		return;
	pgnet_hold_set_policy(lane, policy);
	pgnet_dispatch_update_lane(&lanes->dispatch, lane);
}

int
pgnet_lanes_endpoints(const Lanes *lanes, LaneEndpoint **list)
{
	HASH_SEQ_STATUS all;
	const Lane *lane;
	int			count = 0;

	*list = palloc(sizeof(LaneEndpoint) *
				   Max(hash_get_num_entries(lanes->table.lanes), 1));
	hash_seq_init(&all, lanes->table.lanes);
	while ((lane = hash_seq_search(&all)) != NULL)
		if (lane->endpoint != NULL)
			(*list)[count++] = (LaneEndpoint) {
				.lane_key = lane->key,
				.url = pstrdup(lane->endpoint)
			};
	return count;
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
	role = pgnet_lane_table_role(&lanes->table, job->role);
	if (!pgnet_refill_role_admits(&lanes->refill, role, job->id, refill))
		return false;
	queue = pgnet_lane_table_queue(&lanes->table, job->lane_key, job->role);
	admitted = pgnet_refill_queue_admits(&lanes->refill, queue, job->id,
										 refill);
	if (admitted)
		remember(lanes, job, queue);
	return admitted;
}

void
pgnet_lanes_remember(Lanes *lanes, Job *job)
{
	remember(lanes, job,
			 pgnet_lane_table_queue(&lanes->table, job->lane_key, job->role));
}

void
pgnet_lanes_add(Lanes *lanes, Job *job)
{
	const KnownId *known = known_lookup(lanes->known, job->id);
	LaneRow		row = pgnet_lane_row(job);
	LaneQueue  *queue;
	int			limit;
	bool		goes_soon;

	if (known == NULL)
		elog(ERROR, "a row that is to wait is not known");
	queue = known->queue;
	limit = pgnet_hold_lane_limit(queue->lane,
								  lanes->dispatch.max_in_flight_per_lane);
	goes_soon = queue->lane->party.has[PGNET_POOL_IN_FLIGHT] + queue->count <
		limit;
	/* one that goes soon is kept whole, whatever its size */
	if (!job->loaded || (pgnet_lanes_are_rich(lanes) && !goes_soon))
	{
		pgnet_job_free(job);
		row.job = NULL;
	}
	else
		pgnet_job_move(lanes->jobs, job, PGNET_JOB_LOADED);
	queue_push(lanes, queue, row, false);
	pgnet_dispatch_update(&lanes->dispatch, queue);
}

Job *
pgnet_lanes_next(Lanes *lanes, TimestampTz now)
{
	LaneQueue  *queue;
	Job		   *job;

	do
	{
		queue = pgnet_dispatch_next(&lanes->dispatch, QUEUE_READY);
		if (queue == NULL)
			return NULL;
	} while (drop_stale(lanes, queue, now));
	job = queue_pop(lanes, queue).job;
	pgnet_job_move(lanes->jobs, job, PGNET_JOB_PREPARED);
	pgnet_hold_note_sent(queue, lanes->dispatch.now);
	pgnet_dispatch_end_turn(&lanes->dispatch, queue);
	pgnet_dispatch_update_lane(&lanes->dispatch, queue->lane);
	return job;
}

/* Keep only the ids of the first rows that waited too long; are there any? */
static bool
drop_stale(Lanes *lanes, LaneQueue *queue, TimestampTz now)
{
	int			ndropped = 0;

	while (ndropped < queue->count)
	{
		LaneRow    *row = pgnet_lane_queue_at(queue, ndropped);

		if (row->job == NULL || row->job->stale_at == 0 ||
			row->job->stale_at > now)
			break;
		lanes->loaded_bytes -= row->size;
		drop_content(lanes, row);
		ndropped++;
	}
	if (ndropped > 0)
		pgnet_dispatch_update(&lanes->dispatch, queue);
	return ndropped > 0;
}

int
pgnet_lanes_to_load(Lanes *lanes, int64 *ids, int max)
{
	LaneQueue  *queue = pgnet_dispatch_next(&lanes->dispatch, QUEUE_NEEDS_LOAD);
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
 * Loaded jobs replace the first rows of the queue.  If somebody changed the URL
 * or role of one, it goes to the end of another queue.
 */
void
pgnet_lanes_loaded(Lanes *lanes, int nids, dlist_head *jobs)
{
	LaneQueue  *queue = lanes->loading;

	for (int i = 0; i < nids; i++)
		forget(lanes, queue_pop(lanes, queue).id);

	/* from the last to the first, so that they are in order again */
	while (!dlist_is_empty(jobs))
	{
		Job		   *job = dlist_tail_element(Job, node, jobs);
		LaneQueue  *its = pgnet_lane_table_queue(&lanes->table, job->lane_key,
												 job->role);

		dlist_delete(&job->node);
		remember(lanes, job, its);
		pgnet_job_move(lanes->jobs, job, PGNET_JOB_LOADED);
		queue_push(lanes, its, pgnet_lane_row(job), its == queue);
		if (its != queue)
			pgnet_dispatch_update(&lanes->dispatch, its);
	}
	pgnet_dispatch_update(&lanes->dispatch, queue);
}

void
pgnet_lanes_postpone(Lanes *lanes)
{
	LaneQueue  *queue = lanes->loading;

	queue_push(lanes, queue, queue_pop(lanes, queue), false);
	pgnet_dispatch_end_turn(&lanes->dispatch, queue);
	pgnet_dispatch_update(&lanes->dispatch, queue);
}

bool
pgnet_lanes_finished(Lanes *lanes, Job *job)
{
	bool		pauses;

	pgnet_job_move(lanes->jobs, job, PGNET_JOB_FINISHED);
	pauses = pgnet_hold_note_outcome(queue_of(job), job, lanes->dispatch.now);
	pgnet_dispatch_update_lane(&lanes->dispatch, queue_of(job)->lane);
	return pauses;
}

void
pgnet_lanes_put_back(Lanes *lanes, Job *job)
{
	LaneQueue  *queue = queue_of(job);

	pgnet_job_move(lanes->jobs, job, PGNET_JOB_LOADED);
	pgnet_lane_queue_push_early(queue, lanes->context, pgnet_lane_row(job));
	lanes->loaded_bytes += job->size;
	pgnet_dispatch_update_lane(&lanes->dispatch, queue->lane);
}

void
pgnet_lanes_discard(Lanes *lanes, Job *job)
{
	Lane	   *lane = queue_of(job)->lane;

	pgnet_job_move(lanes->jobs, job, PGNET_JOB_KNOWN);
	pgnet_job_free(job);
	pgnet_dispatch_update_lane(&lanes->dispatch, lane);
}

void
pgnet_lanes_end(Lanes *lanes, Job *job, bool known)
{
	LaneQueue  *queue = queue_of(job);

	pgnet_job_move(lanes->jobs, job, PGNET_JOB_RECORDED);
	if (known)
		forget(lanes, job->id);
	/* this gives back the memory of its response to the account */
	pgnet_job_free(job);
	pgnet_dispatch_update(&lanes->dispatch, queue);
}

void
pgnet_lanes_restrict(Lanes *lanes)
{
	pgnet_dispatch_restrict(&lanes->dispatch);
}

void
pgnet_lanes_restrict_lane(Lanes *lanes, uint64 lane_key)
{
	pgnet_dispatch_restrict_lane(&lanes->dispatch,
								 pgnet_lane_table_find_lane(&lanes->table,
															lane_key));
}

bool
pgnet_lanes_relax(Lanes *lanes)
{
	return pgnet_dispatch_relax(&lanes->dispatch);
}

int64
pgnet_lanes_refill(Lanes *lanes)
{
	return pgnet_refill_begin(&lanes->refill);
}

void
pgnet_lanes_refill_reached(Lanes *lanes, int64 next_id)
{
	pgnet_refill_reach(&lanes->refill, next_id);
}

bool
pgnet_lanes_are_refilled(const Lanes *lanes)
{
	return pgnet_refill_is_done(&lanes->refill);
}

void
pgnet_lanes_refilled(Lanes *lanes, int64 next_id, bool to_the_end)
{
	pgnet_refill_end(&lanes->refill, &lanes->dispatch, next_id, to_the_end);
}

bool
pgnet_lanes_overflow(const Lanes *lanes)
{
	return pgnet_refill_is_needed(&lanes->refill);
}

bool
pgnet_lanes_have_room(const Lanes *lanes)
{
	return pgnet_dispatch_has_room(&lanes->dispatch);
}

bool
pgnet_lanes_have_ready(Lanes *lanes)
{
	return pgnet_dispatch_next(&lanes->dispatch, QUEUE_READY) != NULL;
}

bool
pgnet_lanes_need_load(Lanes *lanes)
{
	return pgnet_dispatch_next(&lanes->dispatch, QUEUE_NEEDS_LOAD) != NULL;
}

bool
pgnet_lanes_are_rich(const Lanes *lanes)
{
	return lanes->loaded_bytes >= MAX_LOADED_BYTES;
}

void
pgnet_lanes_publish(Lanes *lanes)
{
	pgnet_lane_table_publish(&lanes->table);
}

uint32
pgnet_lanes_known(const Lanes *lanes)
{
	return lanes->known->members;
}

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

/* Note a row as known, charge its id to a queue, and give the job a holder. */
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
	pgnet_counting_open(job);
}

/* Forget a row; the caller calls pgnet_dispatch_update(). */
static void
forget(Lanes *lanes, int64 id)
{
	KnownId    *known = known_lookup(lanes->known, id);

	/* not if the tables were recreated */
	if (known == NULL)
		return;
	pgnet_account_give(&lanes->jobs->account, &known->queue->holder,
					   PGNET_POOL_IDS, 1);
	known_delete_item(lanes->known, known);
}

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

static LaneRow
queue_pop(Lanes *lanes, LaneQueue *queue)
{
	LaneRow		row = pgnet_lane_queue_pop(queue);

	if (row.job != NULL)
		lanes->loaded_bytes -= row.size;
	return row;
}

/* Free the job of a waiting row, and keep its id. */
static void
drop_content(Lanes *lanes, LaneRow *row)
{
	if (row->job == NULL)
		return;
	pgnet_job_move(lanes->jobs, row->job, PGNET_JOB_KNOWN);
	pgnet_job_free(row->job);
	row->job = NULL;
}
