/*
 * pauses.c -- endpoints that are to be paused.
 *
 * Runs in: workers and the process of the callbacks.
 */
#include "postgres.h"

#include "lib/dshash.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "utils/timestamp.h"

#include "clock.h"
#include "shared/area.h"
#include "shared/pauses.h"

/* Of all databases.  Others are found again by the next attempt that fails. */
#define MAX_PAUSES 10000

typedef struct PauseKey
{
	uint64		lane;
	uint64		database;		/* an Oid; no padding, this is hashed */
} PauseKey;

typedef struct PauseEntry
{
	PauseKey	key;
	TimestampTz due;
	Pause		pause;
} PauseEntry;

typedef struct Pauses
{
	AreaTable	table;
	pg_atomic_uint32 count;
} Pauses;

static Pauses *pauses = NULL;

static dshash_table *table(void);
static PauseKey key_of(uint64 lane);

Size
pgnet_pauses_memory_size(void)
{
	return sizeof(Pauses);
}

void
pgnet_pauses_memory_init(void *memory, int lock_tranche)
{
	pauses = memory;
	pg_atomic_init_u32(&pauses->count, 0);
	pgnet_area_table_create(&pauses->table, sizeof(PauseKey),
							sizeof(PauseEntry), lock_tranche);
}

/* Attached until the process exits. */
static dshash_table *
table(void)
{
	static dshash_table *attached = NULL;

	if (attached == NULL)
		attached = pgnet_area_table_attach(&pauses->table);
	return attached;
}

static PauseKey
key_of(uint64 lane)
{
	return (PauseKey) {.lane = lane, .database = MyDatabaseId};
}

bool
pgnet_pauses_add(const Pause *pause)
{
	PauseKey	key = key_of(pause->lane);
	PauseEntry *entry;
	bool		found;

	if (pg_atomic_read_u32(&pauses->count) >= MAX_PAUSES)
		return false;
	entry = dshash_find_or_insert(table(), &key, &found);
	entry->pause = *pause;
	if (!found)
	{
		entry->due = DT_NOBEGIN;
		pg_atomic_fetch_add_u32(&pauses->count, 1);
	}
	dshash_release_lock(table(), entry);
	return true;
}

void
pgnet_pauses_remove(uint64 lane)
{
	PauseKey	key = key_of(lane);

	if (pg_atomic_read_u32(&pauses->count) > 0 &&
		dshash_delete_key(table(), &key))
		pg_atomic_fetch_sub_u32(&pauses->count, 1);
}

bool
pgnet_pauses_exist(bool *due)
{
	TimestampTz now = pgnet_clock_now();
	bool		any = false;
	dshash_seq_status scan;
	const PauseEntry *entry;

	*due = false;
	if (pg_atomic_read_u32(&pauses->count) == 0)
		return false;
	dshash_seq_init(&scan, table(), false);
	while (!*due && (entry = dshash_seq_next(&scan)) != NULL)
	{
		if (entry->key.database != MyDatabaseId)
			continue;
		any = true;
		*due = entry->due <= now;
	}
	dshash_seq_term(&scan);
	return any;
}

bool
pgnet_pauses_next(Pause *pause)
{
	TimestampTz now = pgnet_clock_now();
	bool		found = false;
	dshash_seq_status scan;
	const PauseEntry *entry;

	if (pg_atomic_read_u32(&pauses->count) == 0)
		return false;
	dshash_seq_init(&scan, table(), false);
	while (!found && (entry = dshash_seq_next(&scan)) != NULL)
	{
		found = entry->key.database == MyDatabaseId && entry->due <= now;
		if (found)
			*pause = entry->pause;
	}
	dshash_seq_term(&scan);
	return found;
}

void
pgnet_pauses_postpone(uint64 lane, int ms)
{
	PauseKey	key = key_of(lane);
	PauseEntry *entry = dshash_find(table(), &key, true);

	if (entry == NULL)
		return;
	entry->due = TimestampTzPlusMilliseconds(pgnet_clock_now(), ms);
	dshash_release_lock(table(), entry);
}

void
pgnet_pauses_forget(Oid database)
{
	dshash_seq_status scan;
	const PauseEntry *entry;

	if (pg_atomic_read_u32(&pauses->count) == 0)
		return;
	dshash_seq_init(&scan, table(), true);
	while ((entry = dshash_seq_next(&scan)) != NULL)
	{
		if (entry->key.database != database)
			continue;
		dshash_delete_current(&scan);
		pg_atomic_fetch_sub_u32(&pauses->count, 1);
	}
	dshash_seq_term(&scan);
}
