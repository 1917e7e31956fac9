/*
 * order.c -- requests with the same ordering key are sent one at a time, by id.
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "lib/ilist.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "clock.h"
#include "tables/ids.h"
#include "tables/queue/ordered_rows.h"
#include "url_target.h"
#include "worker/order.h"

/* The most keys that are looked up together. */
#define MAX_LOOKUPS 200

/*
 * The most holders that are remembered.  When there are more, those that wait
 * for their next attempt are forgotten: from then on it is looked up whether a
 * key has one.
 */
#define MAX_HOLDERS 50000

/*
 * The least pause between two checks of all holders, as a multiple of how long
 * the last one took.
 */
#define CHECK_PAUSE_FACTOR 50

/* A key that is busy, or that is free and to be looked up. */
typedef struct OrderKey
{
	uint64		key;			/* hash key: must be first */
	int64		holder;
	bool		is_free;
	bool		retries;		/* the holder waits for its next attempt */
	bool		more;			/* another row with it was read */
	dlist_node	node;			/* in Order.free, if is_free */

	/*
	 * Look for ids above this one: up to it, no row with this key waits.  Rows
	 * with the same text in other lanes may, and would be found each time.
	 */
	int64		after;
	Oid			role;
	char	   *text;
} OrderKey;

typedef struct OrderHolder
{
	int64		id;				/* hash key: must be first */
	uint64		key;
} OrderHolder;

struct Order
{
	MemoryContext context;
	Lanes	   *lanes;
	HTAB	   *keys;			/* OrderKey */
	HTAB	   *holders;		/* OrderHolder */
	dlist_head	free;			/* OrderKey, to look up */
	bool		begun;			/* see pgnet_order_begin() */
	bool		forgot;			/* some holders are not here */
	bool		checks;			/* holders are to be checked */
	TimestampTz check_after;	/* but not before */
	uint64		asked[MAX_LOOKUPS]; /* the keys that are looked up */
	int64		last_ids[MAX_LOOKUPS];	/* see pgnet_ordered_rows_next() */
	int			nasked;
};

static uint64 key_of(Oid role, uint64 lane_key, const char *text);
static bool has_key(const Job *job);
static OrderKey *find_of(const Order *order, const Job *job);
static OrderKey *find(const Order *order, uint64 key);
static OrderKey *held_by(const Order *order, const OrderHolder *holder);
static int	list_free_keys(Order *order, int most, Oid *roles, char **texts,
						   int64 *after);
static int	forget_held(Order *order, const Oid *roles, char *const *texts,
						int count);
static bool is_asked(const Order *order, const OrderKey *key, int count);
static OrderKey *make_of(Order *order, const Job *job);
static OrderKey *make(Order *order, uint64 key, Oid role, const char *text);
static void hold(Order *order, OrderKey *key, int64 id);
static void let_go(Order *order, OrderKey *key);
static void release(Order *order, OrderKey *key);
static void forget(Order *order, OrderKey *key);
static void check_holders(Order *order);
static int	list_retrying(const Order *order, int64 **ids);

Order *
pgnet_order_create(MemoryContext parent, Lanes *lanes)
{
	MemoryContext context = AllocSetContextCreate(parent, "pg_net order",
												  ALLOCSET_SMALL_SIZES);
	Order	   *order = MemoryContextAllocZero(context, sizeof(Order));

	order->context = context;
	order->lanes = lanes;
	pgnet_order_clear(order);
	return order;
}

void
pgnet_order_clear(Order *order)
{
	HASHCTL		keys = {
		.keysize = sizeof(uint64),
		.entrysize = sizeof(OrderKey),
		.hcxt = order->context
	};
	HASHCTL		holders = {
		.keysize = sizeof(int64),
		.entrysize = sizeof(OrderHolder),
		.hcxt = order->context
	};
	HASH_SEQ_STATUS all;
	OrderKey   *key;

	if (order->keys != NULL)
	{
		hash_seq_init(&all, order->keys);
		while ((key = hash_seq_search(&all)) != NULL)
			pfree(key->text);
		hash_destroy(order->keys);
		hash_destroy(order->holders);
	}
	order->keys = hash_create("pg_net ordering keys", 64, &keys,
							  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	order->holders = hash_create("pg_net holders of keys", 64, &holders,
								 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	dlist_init(&order->free);
	order->begun = order->checks = order->forgot = false;
	order->nasked = 0;
}

void
pgnet_order_begin(Order *order)
{
	List	   *held;
	ListCell   *cell;

	if (order->begun)
		return;
	held = pgnet_ordered_rows_held(MAX_HOLDERS);
	order->forgot = list_length(held) == MAX_HOLDERS;
	foreach(cell, held)
	{
		const HeldRow *row = lfirst(cell);
		uint64		hash = key_of(row->role, pgnet_url_host_key(row->url),
								  row->key);
		OrderKey   *key = find(order, hash);

		if (key != NULL)
			continue;
		key = make(order, hash, row->role, row->key);
		hold(order, key, row->id);
		/* others may wait for it that this worker has not read */
		key->retries = key->more = true;
	}
	order->begun = true;
}

/* A free key is for a row that was looked up: others may be before this one. */
bool
pgnet_order_admits(Order *order, const Job *job, OrderRead how)
{
	OrderKey   *key = find_of(order, job);

	if (!has_key(job) ||
		(key == NULL && how == PGNET_ORDER_BY_ID && !order->forgot))
		return true;
	/* its holder may be one that was forgotten */
	if (key == NULL)
		key = make_of(order, job);
	else if (key->is_free ? how == PGNET_ORDER_NEXT : key->holder == job->id)
		return true;
	key->more = true;
	key->after = Min(key->after, job->id - 1);
	return false;
}

void
pgnet_order_hold(Order *order, const Job *job)
{
	OrderKey   *key = find_of(order, job);
	bool		looked_up = key != NULL && key->is_free;

	if (!has_key(job))
		return;
	if (key == NULL)
		key = make_of(order, job);
	key->retries = false;
	if (key->is_free || key->holder != job->id)
		hold(order, key, job->id);
	/* rows are looked up in order of id */
	if (looked_up)
		key->after = job->id;
}

void
pgnet_order_refused(Order *order, const Job *job)
{
	OrderKey   *key = find_of(order, job);

	if (key != NULL && key->is_free)
		forget(order, key);
}

void
pgnet_order_end(Order *order, const Job *job)
{
	OrderHolder *holder = NULL;
	OrderKey   *key;

	if (hash_get_num_entries(order->holders) > 0)
		holder = hash_search(order->holders, &job->id, HASH_FIND, NULL);
	if (holder == NULL)
		return;
	key = held_by(order, holder);
	if (job->delivery.disposition != PGNET_AGAIN)
		let_go(order, key);
	else if (hash_get_num_entries(order->holders) <= MAX_HOLDERS)
		key->retries = true;
	else
	{
		order->forgot = true;
		release(order, key);
		forget(order, key);
	}
}

void
pgnet_order_check(Order *order)
{
	order->checks = hash_get_num_entries(order->holders) > 0;
}

TimestampTz
pgnet_order_due(const Order *order)
{
	if (!dlist_is_empty(unconstify(dlist_head *, &order->free)))
		return DT_NOBEGIN;
	return order->checks ? order->check_after : DT_NOEND;
}

int
pgnet_order_find_next(Order *order, int64 **ids)
{
	Oid			roles[MAX_LOOKUPS];
	char	   *texts[MAX_LOOKUPS];
	int64		after[MAX_LOOKUPS];
	int			count;

	if (order->checks && pgnet_clock_now() >= order->check_after)
		check_holders(order);
	count = list_free_keys(order, MAX_LOOKUPS, roles, texts, after);
	/* what is left has been checked: the list keeps its order */
	if (order->forgot && count > 0)
		count = list_free_keys(order,
							   count - forget_held(order, roles, texts, count),
							   roles, texts, after);
	order->nasked = count;
	return count > 0 ? pgnet_ordered_rows_next(roles, texts, after, count, ids,
											   order->last_ids) :
					   0;
}

void
pgnet_order_found(Order *order)
{
	for (int i = 0; i < order->nasked; i++)
	{
		OrderKey   *key = find(order, order->asked[i]);
		bool		are_more = order->last_ids[i] != PG_INT64_MAX;

		if (key == NULL)
			continue;
		if (!key->is_free)
			key->more = key->more || are_more;
		/* another row was read meanwhile: look again */
		else if (key->more)
			key->more = false;
		/* the rows found with this text are of other lanes: look beyond */
		else if (are_more)
			key->after = order->last_ids[i];
		else
			forget(order, key);
	}
	order->nasked = 0;
}

/* The first of the keys that are free; how many. */
static int
list_free_keys(Order *order, int most, Oid *roles, char **texts, int64 *after)
{
	int			count = 0;
	dlist_iter	iter;

	dlist_foreach(iter, &order->free)
	{
		OrderKey   *key = dlist_container(OrderKey, node, iter.cur);

		if (count == most)
			break;
		roles[count] = key->role;
		texts[count] = key->text;
		after[count] = key->after;
		order->asked[count++] = key->key;
	}
	return count;
}

/*
 * Forget those of these keys that are not free after all, because a holder that
 * was forgotten waits for its next attempt; how many.
 */
static int
forget_held(Order *order, const Oid *roles, char *const *texts, int count)
{
	int			nheld = 0;
	ListCell   *cell;

	foreach(cell, pgnet_ordered_rows_held_of(roles, texts, count))
	{
		const HeldRow *row = lfirst(cell);
		OrderKey   *key = find(order,
							   key_of(row->role, pgnet_url_host_key(row->url),
									  row->key));

		/* another lane may have the same text, and a key beyond these */
		if (key == NULL || !key->is_free || !is_asked(order, key, count))
			continue;
		forget(order, key);
		nheld++;
	}
	return nheld;
}

/* Is it among the first keys that are asked for? */
static bool
is_asked(const Order *order, const OrderKey *key, int count)
{
	for (int i = 0; i < count; i++)
		if (order->asked[i] == key->key)
			return true;
	return false;
}

static uint64
key_of(Oid role, uint64 lane_key, const char *text)
{
	uint64		hash = hash_bytes_extended((const unsigned char *) text,
										   strlen(text), lane_key);

	return hash_combine64(hash, hash_bytes_uint32_extended(role, 0));
}

static bool
has_key(const Job *job)
{
	return job->ordering_key != NULL && OidIsValid(job->role);
}

/* The entry for the key of a job; NULL if it has no key, or that no entry. */
static OrderKey *
find_of(const Order *order, const Job *job)
{
	if (!has_key(job))
		return NULL;
	return find(order, key_of(job->role, job->lane_key, job->ordering_key));
}

static OrderKey *
find(const Order *order, uint64 key)
{
	if (hash_get_num_entries(order->keys) == 0)
		return NULL;
	return hash_search(order->keys, &key, HASH_FIND, NULL);
}

/* The key that a row holds. */
static OrderKey *
held_by(const Order *order, const OrderHolder *holder)
{
	OrderKey   *key = find(order, holder->key);

	if (key == NULL)
		elog(ERROR, "an ordering key with a holder is gone");
	return key;
}

/* Make an entry for the key of a job, which is free. */
static OrderKey *
make_of(Order *order, const Job *job)
{
	return make(order, key_of(job->role, job->lane_key, job->ordering_key),
				job->role, job->ordering_key);
}

/* Make an entry for a key that is free. */
static OrderKey *
make(Order *order, uint64 hash, Oid role, const char *text)
{
	char	   *copy = MemoryContextStrdup(order->context, text);
	OrderKey   *key = hash_search(order->keys, &hash, HASH_ENTER, NULL);

	*key = (OrderKey) {
		.key = hash,
		.after = PG_INT64_MIN,
		.role = role,
		.text = copy
	};
	key->is_free = true;
	dlist_push_tail(&order->free, &key->node);
	return key;
}

/*
 * Make a row the holder of a key, in place of the last one.  If its key was
 * changed by an UPDATE, it lets go of the old one.
 */
static void
hold(Order *order, OrderKey *key, int64 id)
{
	OrderHolder *holder = hash_search(order->holders, &id, HASH_FIND, NULL);

	if (holder != NULL && holder->key != key->key)
		let_go(order, held_by(order, holder));
	if (key->is_free)
		dlist_delete(&key->node);
	else
		hash_search(order->holders, &key->holder, HASH_REMOVE, NULL);
	key->is_free = false;
	key->holder = id;
	holder = hash_search(order->holders, &id, HASH_ENTER, NULL);
	holder->key = key->key;
}

/* Take a key from its holder, and look its next row up, if there may be one. */
static void
let_go(Order *order, OrderKey *key)
{
	release(order, key);
	if (!key->more && !order->forgot)
		forget(order, key);
	else
		key->more = false;
}

/* Take a key from its holder. */
static void
release(Order *order, OrderKey *key)
{
	hash_search(order->holders, &key->holder, HASH_REMOVE, NULL);
	key->is_free = true;
	key->retries = false;
	dlist_push_tail(&order->free, &key->node);
}

/* Remove the entry of a key that is free, and for which no row waits. */
static void
forget(Order *order, OrderKey *key)
{
	dlist_delete(&key->node);
	pfree(key->text);
	hash_search(order->keys, &key->key, HASH_REMOVE, NULL);
}

/* Take keys from holders that are neither in a lane nor retried any more. */
static void
check_holders(Order *order)
{
	TimestampTz start = pgnet_clock_now();
	TimestampTz end;
	int64	   *ids;
	int			nids = list_retrying(order, &ids);
	int			nheld = nids > 0 ? pgnet_ordered_rows_still_held(ids, nids) : 0;
	HASH_SEQ_STATUS all;
	OrderKey   *key;

	hash_seq_init(&all, order->keys);
	while ((key = hash_seq_search(&all)) != NULL)
	{
		bool		is_there = key->retries ?
			pgnet_ids_contain(ids, nheld, key->holder) :
			pgnet_lanes_know(order->lanes, key->holder);

		if (!key->is_free && !is_there)
			let_go(order, key);
	}
	order->checks = false;
	end = pgnet_clock_now();
	order->check_after = end + CHECK_PAUSE_FACTOR * (end - start);
}

/* The ids of holders that wait for their next attempt; returns how many. */
static int
list_retrying(const Order *order, int64 **ids)
{
	HASH_SEQ_STATUS all;
	const OrderKey *key;
	int			count = 0;

	*ids = palloc(sizeof(int64) *
				  Max(hash_get_num_entries(order->holders), 1));
	hash_seq_init(&all, order->keys);
	while ((key = hash_seq_search(&all)) != NULL)
		if (!key->is_free && key->retries)
			(*ids)[count++] = key->holder;
	return count;
}
