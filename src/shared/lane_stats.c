/*
 * lane_stats.c -- the counters of lanes, by endpoint or origin.
 *
 * Runs in: workers and client backends.
 *
 * The lock protects which entry is whose: database, name, generation, and the
 * chains of the hash table.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "utils/timestamp.h"

#include "shared/lane_stats.h"
#include "shared/stats.h"

#define MAX_ENTRIES 5000
#define NCHAINS 4096

/* So many give way at a time. */
#define GIVE_WAY (MAX_ENTRIES / 20)

/* The end of a chain. */
#define NOBODY (-1)

typedef struct LaneStatsEntry
{
	Oid			database;		/* InvalidOid: free */
	int			next;			/* in its chain, or of those that are free */
	uint32		generation;		/* another one when it is given away */
	char		name[PGNET_LANE_NAME_BYTES];
	pg_atomic_uint64 used_at;
	pg_atomic_uint64 reset_at;	/* see stats_counters.h */
	pg_atomic_uint32 changes;
	LaneStats	stats;
} LaneStatsEntry;

typedef struct LaneStatsTable
{
	LWLock		lock;
	int			count;			/* entries that were ever used */
	int			first_free;		/* of those */
	int			chains[NCHAINS];
	LaneStatsEntry entries[MAX_ENTRIES];
} LaneStatsTable;

static LaneStatsTable *table = NULL;

static void leave(int code, Datum arg);
static void forget_rows(void);
static int *chain_of(Oid database, const char *name);
static LaneStatsEntry *find(const char *name);
static LaneStatsEntry *make(Oid database, const char *name);
static void make_room(void);
static int	compare_used(const void *a, const void *b);
static void remove_entry(int number);
static void obey_reset(LaneStats *stats, LaneStatsEntry *entry);
static LaneStats copy_of(LaneStatsEntry *entry);

Size
pgnet_lane_stats_memory_size(void)
{
	return sizeof(LaneStatsTable);
}

void
pgnet_lane_stats_memory_init(void *memory, int lock_tranche)
{
	table = memory;
	LWLockInitialize(&table->lock, lock_tranche);
	table->count = 0;
	table->first_free = NOBODY;
	for (int i = 0; i < NCHAINS; i++)
		table->chains[i] = NOBODY;
}

void
pgnet_lane_stats_join(void)
{
	forget_rows();
	before_shmem_exit(leave, (Datum) 0);
}

/* before_shmem_exit callback. */
static void
leave(int code, Datum arg)
{
	(void) code;
	(void) arg;
	forget_rows();
}

/* What waits is not known now. */
static void
forget_rows(void)
{
	LWLockAcquire(&table->lock, LW_SHARED);
	for (int i = 0; i < table->count; i++)
	{
		LaneStatsEntry *entry = &table->entries[i];

		if (entry->database != MyDatabaseId)
			continue;
		pgnet_stats_begin_write(&entry->changes);
		entry->stats.waiting = entry->stats.in_flight = 0;
		entry->stats.oldest_waiting = entry->stats.oldest_free = 0;
		pgnet_stats_end_write(&entry->changes);
	}
	LWLockRelease(&table->lock);
}

LaneStatsRef
pgnet_lane_stats_open(const char *name)
{
	LaneStatsRef ref = {0};
	LaneStatsEntry *entry;

	LWLockAcquire(&table->lock, LW_EXCLUSIVE);
	entry = find(name);
	if (entry == NULL)
		entry = make(MyDatabaseId, name);
	if (entry != NULL)
	{
		ref.entry = entry;
		ref.generation = entry->generation;
		pg_atomic_write_u64(&entry->used_at, (uint64) GetCurrentTimestamp());
	}
	LWLockRelease(&table->lock);
	return ref;
}

static int *
chain_of(Oid database, const char *name)
{
	uint32		hash = hash_bytes((const unsigned char *) name,
								  (int) strlen(name));

	return &table->chains[(hash ^ murmurhash32(database)) % NCHAINS];
}

/* The entry of a lane of this database, or NULL. */
static LaneStatsEntry *
find(const char *name)
{
	int			number = *chain_of(MyDatabaseId, name);

	while (number != NOBODY)
	{
		LaneStatsEntry *entry = &table->entries[number];

		if (entry->database == MyDatabaseId && strcmp(entry->name, name) == 0)
			return entry;
		number = entry->next;
	}
	return NULL;
}

/* Make it; NULL: all that there are have something to do. */
static LaneStatsEntry *
make(Oid database, const char *name)
{
	int		   *chain = chain_of(database, name);
	LaneStatsEntry *entry;
	int			number;

	if (table->first_free == NOBODY && table->count == MAX_ENTRIES)
		make_room();
	number = table->first_free;
	if (number != NOBODY)
		table->first_free = table->entries[number].next;
	else if (table->count < MAX_ENTRIES)
	{
		number = table->count++;
		table->entries[number].generation = 0;
	}
	else
		return NULL;
	entry = &table->entries[number];
	entry->database = database;
	strlcpy(entry->name, name, sizeof(entry->name));
	entry->generation++;
	pg_atomic_init_u64(&entry->used_at, 0);
	pg_atomic_init_u64(&entry->reset_at, 0);
	pg_atomic_init_u32(&entry->changes, 0);
	memset(&entry->stats, 0, sizeof(LaneStats));
	entry->next = *chain;
	*chain = number;
	return entry;
}

/* Remove those that were not used for longest. */
static void
make_room(void)
{
	static int	numbers[MAX_ENTRIES];
	int			count = 0;

	for (int i = 0; i < table->count; i++)
	{
		const LaneStats *stats = &table->entries[i].stats;

		if (stats->waiting == 0 && stats->in_flight == 0)
			numbers[count++] = i;
	}
	qsort(numbers, count, sizeof(int), compare_used);
	for (int i = 0; i < Min(count, GIVE_WAY); i++)
		remove_entry(numbers[i]);
}

/* For qsort(). */
static int
compare_used(const void *a, const void *b)
{
	uint64		left =
		pg_atomic_read_u64(&table->entries[*(const int *) a].used_at);
	uint64		right =
		pg_atomic_read_u64(&table->entries[*(const int *) b].used_at);

	return left < right ? -1 : left > right;
}

static void
remove_entry(int number)
{
	LaneStatsEntry *entry = &table->entries[number];
	int		   *place = chain_of(entry->database, entry->name);

	while (*place != number)
		place = &table->entries[*place].next;
	*place = entry->next;
	entry->database = InvalidOid;
	entry->generation++;
	entry->next = table->first_free;
	table->first_free = number;
}

bool
pgnet_lane_stats_is_valid(LaneStatsRef ref)
{
	return ref.entry != NULL && ref.entry->generation == ref.generation;
}

LaneStats *
pgnet_lane_stats_begin(LaneStatsRef ref)
{
	LaneStatsEntry *entry = ref.entry;

	if (!pgnet_lane_stats_is_valid(ref))
		return NULL;
	pgnet_stats_begin_write(&entry->changes);
	obey_reset(&entry->stats, entry);
	return &entry->stats;
}

void
pgnet_lane_stats_end(LaneStatsRef ref, TimestampTz used_at)
{
	if (used_at != 0)
		pg_atomic_write_u64(&ref.entry->used_at, (uint64) used_at);
	pgnet_stats_end_write(&ref.entry->changes);
}

/* Set the counters to zero, if that was asked for. */
static void
obey_reset(LaneStats *stats, LaneStatsEntry *entry)
{
	TimestampTz reset_at =
		(TimestampTz) pg_atomic_read_u64(&entry->reset_at);

	if (reset_at == stats->stats_reset)
		return;
	memset(stats, 0, offsetof(LaneStats, stats_reset));
	stats->stats_reset = reset_at;
}

/* What others wrote; the caller has the lock. */
static LaneStats
copy_of(LaneStatsEntry *entry)
{
	LaneStats	stats;

	pgnet_stats_copy(&stats, &entry->stats, sizeof(LaneStats),
					 &entry->changes);
	stats.last_error[PGNET_STATS_ERROR_BYTES - 1] = '\0';
	obey_reset(&stats, entry);
	return stats;
}

int
pgnet_lane_stats_list(NamedLaneStats **list)
{
	int			room = 0;
	int			count = 0;

	LWLockAcquire(&table->lock, LW_SHARED);
	for (int i = 0; i < table->count; i++)
		if (table->entries[i].database == MyDatabaseId)
			room++;
	/* an error releases the lock */
	*list = palloc(sizeof(NamedLaneStats) * Max(room, 1));
	for (int i = 0; i < table->count; i++)
	{
		LaneStatsEntry *entry = &table->entries[i];
		NamedLaneStats *copy = &(*list)[count];

		if (entry->database != MyDatabaseId)
			continue;
		strlcpy(copy->name, entry->name, sizeof(copy->name));
		copy->stats = copy_of(entry);
		count++;
	}
	LWLockRelease(&table->lock);
	return count;
}

TimestampTz
pgnet_lane_stats_oldest(Oid database)
{
	TimestampTz oldest = DT_NOEND;

	LWLockAcquire(&table->lock, LW_SHARED);
	for (int i = 0; i < table->count; i++)
	{
		const LaneStats *stats = &table->entries[i].stats;

		if (table->entries[i].database == database && stats->oldest_free != 0)
			oldest = Min(oldest, stats->oldest_free);
	}
	LWLockRelease(&table->lock);
	return oldest == DT_NOEND ? 0 : oldest;
}

void
pgnet_lane_stats_reset(const char *name)
{
	uint64		now = (uint64) GetCurrentTimestamp();

	LWLockAcquire(&table->lock, LW_SHARED);
	for (int i = 0; i < table->count; i++)
	{
		LaneStatsEntry *entry = &table->entries[i];

		if (entry->database == MyDatabaseId &&
			(name == NULL || strcmp(entry->name, name) == 0))
			pg_atomic_write_u64(&entry->reset_at, now);
	}
	LWLockRelease(&table->lock);
}

bool
pgnet_lane_stats_save(int *place, SavedLaneStats *saved)
{
	while (*place < table->count)
	{
		LaneStatsEntry *entry = &table->entries[(*place)++];

		if (!OidIsValid(entry->database))
			continue;
		/* with its padding, as it goes to a file */
		memset(saved, 0, sizeof(SavedLaneStats));
		saved->database = entry->database;
		strlcpy(saved->name, entry->name, sizeof(saved->name));
		saved->used_at = (TimestampTz) pg_atomic_read_u64(&entry->used_at);
		saved->stats = copy_of(entry);
		return true;
	}
	return false;
}

void
pgnet_lane_stats_restore(const SavedLaneStats *saved)
{
	LaneStatsEntry *entry = make(saved->database, saved->name);

	if (entry == NULL)
		return;
	pg_atomic_write_u64(&entry->used_at, (uint64) saved->used_at);
	pg_atomic_write_u64(&entry->reset_at, (uint64) saved->stats.stats_reset);
	entry->stats = saved->stats;
	entry->stats.waiting = entry->stats.in_flight = 0;
	entry->stats.oldest_waiting = entry->stats.oldest_free = 0;
}

void
pgnet_lane_stats_forget(Oid database)
{
	LWLockAcquire(&table->lock, LW_EXCLUSIVE);
	for (int i = 0; i < table->count; i++)
		if (table->entries[i].database == database)
			remove_entry(i);
	LWLockRelease(&table->lock);
}
