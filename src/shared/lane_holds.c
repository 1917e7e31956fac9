/*
 * lane_holds.c -- what holds the requests to endpoints, kept between workers.
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include "lib/dshash.h"
#include "miscadmin.h"
#include "port/atomics.h"

#include "clock.h"
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
	AreaTable	table;
	pg_atomic_uint32 count;
} LaneHolds;

static LaneHolds *holds = NULL;

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
	holds = memory;
	pg_atomic_init_u32(&holds->count, 0);
	pgnet_area_table_create(&holds->table, sizeof(KeptKey),
							sizeof(Kept), lock_tranche);
}

/* Attached until the process exits. */
static dshash_table *
table(void)
{
	static dshash_table *attached = NULL;

	if (attached == NULL)
		attached = pgnet_area_table_attach(&holds->table);
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
	return hold->tat == 0 && hold->failing_since == 0 &&
		hold->held_since == 0 && hold->until == 0 && hold->failures == 0;
}

int
pgnet_lane_holds_list(RoleHold **list)
{
	int			room = (int) pg_atomic_read_u32(&holds->count);
	int			count = 0;
	dshash_seq_status scan;
	Kept	   *kept;

	*list = palloc(sizeof(RoleHold) * Max(room, 1));
	if (room == 0)
		return 0;
	dshash_seq_init(&scan, table(), false);
	/* those that came meanwhile may be left out */
	while ((kept = dshash_seq_next(&scan)) != NULL && count < room)
		if (kept->key.database == MyDatabaseId &&
			kept->key.role != PGNET_WHOLE_LANE)
			(*list)[count++] = (RoleHold) {
				.lane = kept->key.lane,
				.hold = kept->hold
			};
	dshash_seq_term(&scan);
	return count;
}

bool
pgnet_lane_hold_backs_off(const LaneHold *hold)
{
	return hold->failures >= PGNET_FAILURES_TO_BACK_OFF ||
		hold->until > pgnet_clock_now();
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
