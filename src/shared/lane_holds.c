/*
 * lane_holds.c -- what holds the requests to endpoints, kept between workers.
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include "lib/dshash.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "utils/memutils.h"

#include "compat.h"
#include "shared/area.h"
#include "shared/lane_holds.h"

typedef struct KeptKey
{
	uint64		lane;
	Oid			database;
	Oid			role;
} KeptKey;

typedef struct Kept
{
	KeptKey		key;
	LaneHold	hold;
} Kept;

typedef struct LaneHolds
{
	dshash_table_handle table;	/* in the area */
	int			lock_tranche;
	pg_atomic_uint32 count;
} LaneHolds;

static LaneHolds *holds = NULL;

static dshash_parameters table_parameters(void);
static dshash_table *table(void);
static bool is_empty(const LaneHold *hold);

Size
pgnet_lane_holds_memory_size(void)
{
	return sizeof(LaneHolds);
}

void
pgnet_lane_holds_memory_init(void *memory, int lock_tranche)
{
	dsa_area   *area = pgnet_area_attach();
	dshash_parameters parameters;
	dshash_table *made;

	holds = memory;
	holds->lock_tranche = lock_tranche;
	pg_atomic_init_u32(&holds->count, 0);
	parameters = table_parameters();
	made = dshash_create(area, &parameters, NULL);
	holds->table = dshash_get_hash_table_handle(made);
	dshash_detach(made);
	dsa_detach(area);
}

static dshash_parameters
table_parameters(void)
{
	return (dshash_parameters) {
		.key_size = sizeof(KeptKey),
		.entry_size = sizeof(Kept),
		.compare_function = dshash_memcmp,
		.hash_function = dshash_memhash,
		PGNET_DSHASH_COPY
			.tranche_id = holds->lock_tranche
	};
}

/* Attached until the process exits. */
static dshash_table *
table(void)
{
	static dshash_table *attached = NULL;
	dshash_parameters parameters;
	MemoryContext before;

	if (attached != NULL)
		return attached;
	before = MemoryContextSwitchTo(TopMemoryContext);
	parameters = table_parameters();
	attached = dshash_attach(pgnet_area(), &parameters, holds->table, NULL);
	MemoryContextSwitchTo(before);
	return attached;
}

LaneHold
pgnet_lane_holds_get(uint64 lane, Oid role)
{
	KeptKey		key = {.lane = lane, .database = MyDatabaseId, .role = role};
	LaneHold	hold = {0};
	Kept	   *kept = NULL;

	if (pg_atomic_read_u32(&holds->count) > 0)
		kept = dshash_find(table(), &key, false);
	if (kept == NULL)
		return hold;
	hold = kept->hold;
	dshash_release_lock(table(), kept);
	return hold;
}

void
pgnet_lane_holds_put(uint64 lane, Oid role, const LaneHold *hold)
{
	KeptKey		key = {.lane = lane, .database = MyDatabaseId, .role = role};
	bool		found;
	Kept	   *kept;

	if (is_empty(hold))
	{
		if (dshash_delete_key(table(), &key))
			pg_atomic_fetch_sub_u32(&holds->count, 1);
		return;
	}
	kept = dshash_find_or_insert(table(), &key, &found);
	kept->hold = *hold;
	dshash_release_lock(table(), kept);
	if (!found)
		pg_atomic_fetch_add_u32(&holds->count, 1);
}

static bool
is_empty(const LaneHold *hold)
{
	return hold->tat == 0 && hold->until == 0 && hold->failures == 0;
}

void
pgnet_lane_holds_forget(Oid database)
{
	dshash_seq_status scan;
	Kept	   *kept;

	if (pg_atomic_read_u32(&holds->count) == 0)
		return;
	dshash_seq_init(&scan, table(), true);
	while ((kept = dshash_seq_next(&scan)) != NULL)
	{
		if (kept->key.database != database)
			continue;
		dshash_delete_current(&scan);
		pg_atomic_fetch_sub_u32(&holds->count, 1);
	}
	dshash_seq_term(&scan);
}
