/*
 * lane_table.c -- the lanes, roles and lane queues that there are, by key.
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include "lib/ilist.h"

#include "worker/hold.h"
#include "worker/lane_table.h"

static HTAB *make_hash(const char *name, MemoryContext context, Size key,
					   Size entry);
static Lane *get_lane(LaneTable *table, uint64 key);
static void publish(Lane *lane);

void
pgnet_lane_table_init(LaneTable *table, MemoryContext context,
					  Account *account)
{
	table->account = account;
	dlist_init(&table->changed);
	table->lanes = make_hash("pg_net lanes", context, sizeof(uint64),
							 sizeof(Lane));
	table->roles = make_hash("pg_net roles", context, sizeof(Oid),
							 sizeof(Role));
	table->queues = make_hash("pg_net lane queues", context,
							  sizeof(LaneQueueKey), sizeof(LaneQueue));
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

Role *
pgnet_lane_table_role(LaneTable *table, Oid oid)
{
	bool		found;
	Role	   *role = hash_search(table->roles, &oid, HASH_ENTER, &found);

	if (!found)
	{
		*role = (Role) {.oid = oid, .resume.of_role = true};
		for (int i = 0; i < QUEUE_NLISTS; i++)
			dlist_init(&role->queues[i]);
	}
	return role;
}

LaneQueue *
pgnet_lane_table_queue(LaneTable *table, uint64 lane_key, Oid role)
{
	LaneQueueKey key = {.lane = lane_key, .role = role};
	bool		found;
	LaneQueue  *queue = hash_search(table->queues, &key, HASH_ENTER, &found);

	if (found)
		return queue;
	*queue = (LaneQueue) {
		.key = key,
		.lane = get_lane(table, lane_key),
		.role = pgnet_lane_table_role(table, role),
		.state = QUEUE_IDLE
	};
	queue->holder.lane = &queue->lane->party;
	queue->holder.role = &queue->role->party;
	dlist_push_tail(&queue->lane->queues, &queue->lane_node);
	queue->lane->nqueues++;
	if (queue->role->party.nholders++ == 0)
		table->account->nroles++;
	pgnet_hold_recall(queue);
	return queue;
}

static Lane *
get_lane(LaneTable *table, uint64 key)
{
	bool		found;
	Lane	   *lane = hash_search(table->lanes, &key, HASH_ENTER, &found);

	if (!found)
	{
		*lane = (Lane) {.key = key, .restricted_to = PGNET_UNRESTRICTED};
		dlist_init(&lane->queues);
	}
	return lane;
}

Lane *
pgnet_lane_table_find_lane(LaneTable *table, uint64 key)
{
	return hash_search(table->lanes, &key, HASH_FIND, NULL);
}

void
pgnet_lane_table_changed(LaneTable *table, Lane *lane)
{
	if (lane->is_changed)
		return;
	lane->is_changed = true;
	dlist_push_tail(&table->changed, &lane->changed_node);
}

void
pgnet_lane_table_publish(LaneTable *table)
{
	while (!dlist_is_empty(&table->changed))
	{
		dlist_node *first = dlist_pop_head_node(&table->changed);
		Lane	   *lane = dlist_container(Lane, changed_node, first);

		lane->is_changed = false;
		publish(lane);
	}
}

/* What waits in a lane, and what is in flight. */
static void
publish(Lane *lane)
{
	LaneStats  *stats = pgnet_lane_stats_begin(lane->stats);
	int64		waiting = 0;
	TimestampTz oldest = DT_NOEND;
	TimestampTz oldest_free = DT_NOEND;
	dlist_iter	iter;

	if (stats == NULL)
		return;
	dlist_foreach(iter, &lane->queues)
	{
		LaneQueue  *queue = dlist_container(LaneQueue, lane_node, iter.cur);

		TimestampTz since;

		if (queue->count == 0)
			continue;
		since = pgnet_lane_queue_at(queue, 0)->since;
		waiting += queue->count;
		oldest = Min(oldest, since);
		if (!pgnet_hold_is_paused(queue))
			oldest_free = Min(oldest_free, since);
	}
	stats->waiting = waiting;
	stats->in_flight = lane->party.has[PGNET_POOL_UNRECORDED];
	stats->oldest_waiting = oldest == DT_NOEND ? 0 : oldest;
	stats->oldest_free = oldest_free == DT_NOEND ? 0 : oldest_free;
	pgnet_lane_stats_end(lane->stats, 0);
}

void
pgnet_lane_table_remove(LaneTable *table, LaneQueue *queue)
{
	Lane	   *lane = queue->lane;

	dlist_delete(&queue->lane_node);
	if (--queue->role->party.nholders == 0)
		table->account->nroles--;
	/* with fewer parties the share of each is larger */
	table->account->gives++;
	hash_search(table->queues, &queue->key, HASH_REMOVE, NULL);
	if (--lane->nqueues > 0)
		return;
	publish(lane);
	if (lane->is_changed)
		dlist_delete(&lane->changed_node);
	if (lane->endpoint != NULL)
		pfree(lane->endpoint);
	hash_search(table->lanes, &lane->key, HASH_REMOVE, NULL);
}
