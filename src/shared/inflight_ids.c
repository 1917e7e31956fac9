/*
 * inflight_ids.c -- which requests are in flight, by their ids.
 *
 * Runs in: workers and client backends.
 *
 * The entries of a worker are in blocks, which are allocated in the area
 * (area.h) when they are needed and freed when the worker exits.  The lock
 * protects the list of blocks; entries are written without it.
 */
#include "postgres.h"

#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "utils/dsa.h"

#include "shared/area.h"
#include "shared/inflight_ids.h"

#define BLOCK_ENTRIES 256

/* More than any worker has requests in flight or not yet recorded. */
#define MAX_BLOCKS 1024

typedef struct Entry
{
	pg_atomic_uint64 id;
	pg_atomic_uint64 started;	/* a TimestampTz; 0: the entry is free */
	pg_atomic_uint32 role;
} Entry;

typedef struct Block
{
	dsa_pointer next;
	Entry		entries[BLOCK_ENTRIES];
} Block;

static LWLock *lock = NULL;

/* Of this process, if it is a worker. */
static WorkerState *mine = NULL;
static Block *blocks[MAX_BLOCKS];
static int	nblocks = 0;
static int	free_entries[MAX_BLOCKS * BLOCK_ENTRIES];	/* their numbers */
static int	nfree = 0;

static bool add_block(void);
static Entry *entry_at(int number);
static void leave(int code, Datum worker);

Size
pgnet_inflight_ids_memory_size(void)
{
	return sizeof(LWLockPadded);
}

void
pgnet_inflight_ids_memory_init(void *memory, int lock_tranche)
{
	lock = memory;
	LWLockInitialize(lock, lock_tranche);
}

void
pgnet_inflight_ids_join(WorkerState *worker)
{
	/* attach to it now: this may throw, and _enter() must not */
	(void) pgnet_area();
	mine = worker;
	before_shmem_exit(leave, PointerGetDatum(worker));
}

/* before_shmem_exit callback. */
static void
leave(int code, Datum arg)
{
	WorkerState *worker = (WorkerState *) DatumGetPointer(arg);
	dsa_pointer block;

	(void) code;
	mine = NULL;
	LWLockAcquire(lock, LW_EXCLUSIVE);
	block = worker->inflight_ids;
	worker->inflight_ids = InvalidDsaPointer;
	while (DsaPointerIsValid(block))
	{
		dsa_pointer next = ((Block *) dsa_get_address(pgnet_area(),
													  block))
							   ->next;

		dsa_free(pgnet_area(), block);
		block = next;
	}
	LWLockRelease(lock);
}

int
pgnet_inflight_ids_enter(int64 id, Oid role, TimestampTz started)
{
	int			number;
	Entry	   *entry;

	if (mine == NULL || (nfree == 0 && !add_block()))
		return 0;
	number = free_entries[--nfree];
	entry = entry_at(number);
	pg_atomic_write_u64(&entry->id, (uint64) id);
	pg_atomic_write_u32(&entry->role, role);
	pg_write_barrier();
	pg_atomic_write_u64(&entry->started, (uint64) started);
	return number;
}

void
pgnet_inflight_ids_remove(int number)
{
	if (number == 0)
		return;
	pg_atomic_write_u64(&entry_at(number)->started, 0);
	free_entries[nfree++] = number;
}

/* Allocate a block; false if memory is short. */
static bool
add_block(void)
{
	dsa_pointer pointer;
	Block	   *block;

	if (nblocks == MAX_BLOCKS)
		return false;
	pointer = dsa_allocate_extended(pgnet_area(), sizeof(Block),
									DSA_ALLOC_NO_OOM | DSA_ALLOC_ZERO);
	if (!DsaPointerIsValid(pointer))
		return false;
	block = dsa_get_address(pgnet_area(), pointer);
	for (int i = BLOCK_ENTRIES; i > 0; i--)
		free_entries[nfree++] = nblocks * BLOCK_ENTRIES + i;
	blocks[nblocks++] = block;
	LWLockAcquire(lock, LW_EXCLUSIVE);
	block->next = mine->inflight_ids;
	mine->inflight_ids = pointer;
	LWLockRelease(lock);
	return true;
}

/* The entry of this worker with that number. */
static Entry *
entry_at(int number)
{
	return &blocks[(number - 1) / BLOCK_ENTRIES]
				->entries[(number - 1) % BLOCK_ENTRIES];
}

bool
pgnet_inflight_ids_contain(DatabaseState *database, int64 id)
{
	dsa_area   *area = pgnet_area();
	dsa_pointer pointer;
	bool		found = false;

	LWLockAcquire(lock, LW_SHARED);
	pointer = database->worker.inflight_ids;
	while (DsaPointerIsValid(pointer) && !found)
	{
		Block	   *block = dsa_get_address(area, pointer);

		for (int i = 0; i < BLOCK_ENTRIES && !found; i++)
		{
			Entry	   *entry = &block->entries[i];
			uint64		started = pg_atomic_read_u64(&entry->started);

			pg_read_barrier();
			found = started != 0 &&
				pg_atomic_read_u64(&entry->id) == (uint64) id;
		}
		pointer = block->next;
	}
	LWLockRelease(lock);
	return found;
}

int
pgnet_inflight_ids_list(DatabaseState *database, InflightId **list)
{
	dsa_area   *area = pgnet_area();
	int			room = BLOCK_ENTRIES;
	int			count = 0;
	dsa_pointer pointer;

	*list = palloc(sizeof(InflightId) * room);
	LWLockAcquire(lock, LW_SHARED);
	pointer = database->worker.inflight_ids;
	while (DsaPointerIsValid(pointer))
	{
		Block	   *block = dsa_get_address(area, pointer);

		if (count + BLOCK_ENTRIES > room)
		{
			room *= 2;
			*list = repalloc_huge(*list, sizeof(InflightId) * room);
		}
		for (int i = 0; i < BLOCK_ENTRIES; i++)
		{
			Entry	   *entry = &block->entries[i];
			uint64		started = pg_atomic_read_u64(&entry->started);

			pg_read_barrier();
			if (started != 0)
				(*list)[count++] = (InflightId) {
					.id = (int64) pg_atomic_read_u64(&entry->id),
					.role = pg_atomic_read_u32(&entry->role),
					.started = (TimestampTz) started
				};
		}
		pointer = block->next;
	}
	LWLockRelease(lock);
	return count;
}
