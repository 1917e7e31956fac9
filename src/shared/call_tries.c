/*
 * call_tries.c -- calls of functions that are tried again in a moment.
 *
 * Runs in: the process of the callbacks.
 */
#include "postgres.h"

#include "lib/dshash.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "utils/timestamp.h"

#include "clock.h"
#include "shared/area.h"
#include "shared/call_tries.h"

/* So long after its time the row of a call is gone: somebody removed it. */
#define FORGOTTEN_MS 3600000

typedef struct TriesKey
{
	int64		id;				/* of the response */
	TimestampTz created;
	uint64		database;		/* an Oid; no padding, this is hashed */
} TriesKey;

typedef struct CallTries
{
	TriesKey	key;
	TimestampTz until;			/* not to be tried before */
	int			tries;
} CallTries;

typedef struct AllTries
{
	AreaTable	table;
	pg_atomic_uint32 count;
} AllTries;

static AllTries *all = NULL;

static dshash_table *table(void);
static TriesKey key_of(int64 id, TimestampTz created);
static bool is_forgotten(const CallTries *call, TimestampTz now);

Size
pgnet_call_tries_memory_size(void)
{
	return sizeof(AllTries);
}

void
pgnet_call_tries_memory_init(void *memory, int lock_tranche)
{
	all = memory;
	pg_atomic_init_u32(&all->count, 0);
	pgnet_area_table_create(&all->table, sizeof(TriesKey), sizeof(CallTries),
							lock_tranche);
}

/* Attached until the process exits. */
static dshash_table *
table(void)
{
	static dshash_table *attached = NULL;

	if (attached == NULL)
		attached = pgnet_area_table_attach(&all->table);
	return attached;
}

static TriesKey
key_of(int64 id, TimestampTz created)
{
	return (TriesKey) {
		.id = id,
		.created = created,
		.database = MyDatabaseId
	};
}

int
pgnet_call_tries_get(int64 id, TimestampTz created)
{
	TriesKey	key = key_of(id, created);
	CallTries  *call = NULL;
	int			tries;

	if (pg_atomic_read_u32(&all->count) > 0)
		call = dshash_find(table(), &key, false);
	if (call == NULL)
		return 0;
	tries = call->tries;
	dshash_release_lock(table(), call);
	return tries;
}

void
pgnet_call_tries_put(int64 id, TimestampTz created, int tries, int pause_ms)
{
	TriesKey	key = key_of(id, created);
	bool		found;
	CallTries  *call = dshash_find_or_insert(table(), &key, &found);

	call->until = TimestampTzPlusMilliseconds(pgnet_clock_now(), pause_ms);
	call->tries = tries;
	dshash_release_lock(table(), call);
	if (!found)
		pg_atomic_fetch_add_u32(&all->count, 1);
}

void
pgnet_call_tries_remove(int64 id, TimestampTz created)
{
	TriesKey	key = key_of(id, created);

	if (pg_atomic_read_u32(&all->count) > 0 &&
		dshash_delete_key(table(), &key))
		pg_atomic_fetch_sub_u32(&all->count, 1);
}

int64 *
pgnet_call_tries_waiting(int *count, long *rest_ms)
{
	int			room = (int) pg_atomic_read_u32(&all->count);
	TimestampTz now = pgnet_clock_now();
	dshash_seq_status scan;
	const CallTries *call;
	int64	   *ids;

	*count = 0;
	if (room == 0)
		return NULL;
	ids = palloc(sizeof(int64) * room);
	dshash_seq_init(&scan, table(), true);
	while ((call = dshash_seq_next(&scan)) != NULL)
	{
		long		left_ms = TimestampDifferenceMilliseconds(now, call->until);

		if (is_forgotten(call, now))
		{
			dshash_delete_current(&scan);
			pg_atomic_fetch_sub_u32(&all->count, 1);
		}
		else if (call->key.database == MyDatabaseId && left_ms > 0 &&
				 *count < room)
		{
			ids[(*count)++] = call->key.id;
			*rest_ms = Min(*rest_ms, left_ms);
		}
	}
	dshash_seq_term(&scan);
	return ids;
}

static bool
is_forgotten(const CallTries *call, TimestampTz now)
{
	return TimestampDifferenceExceeds(call->until, now, FORGOTTEN_MS);
}

void
pgnet_call_tries_forget(Oid database)
{
	dshash_seq_status scan;
	const CallTries *call;

	if (pg_atomic_read_u32(&all->count) == 0)
		return;
	dshash_seq_init(&scan, table(), true);
	while ((call = dshash_seq_next(&scan)) != NULL)
	{
		if (call->key.database != database)
			continue;
		dshash_delete_current(&scan);
		pg_atomic_fetch_sub_u32(&all->count, 1);
	}
	dshash_seq_term(&scan);
}
