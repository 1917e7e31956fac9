/*
 * inflight_global.c -- requests in flight of all workers together.
 *
 * Runs in: workers.
 *
 * Each worker may have its share of the limit (share.h).  One that is refused a
 * place is woken when another gives one back.
 */
#include "postgres.h"

#include "storage/ipc.h"

#include "shared/inflight_global.h"
#include "shared/registry.h"
#include "share.h"

typedef struct InflightGlobal
{
	pg_atomic_uint32 in_flight; /* requests, of all workers */
	pg_atomic_uint32 nwaiting;	/* workers that were refused */
} InflightGlobal;

static InflightGlobal *all = NULL;

/* A place is counted for the next request of this worker. */
static bool reserved = false;

/* Of this worker, since pgnet_inflight_settle() was last called. */
static bool refused = false;
static bool gave_back = false;

static void leave(int code, Datum worker);
static bool reserve(WorkerState *worker, int limit);
static int64 share_of(WorkerState *worker, uint32 in_flight, int limit);
static void set_waits(WorkerState *worker, bool waits);
static void wake_waiting(WorkerState *giver);

Size
pgnet_inflight_memory_size(void)
{
	return sizeof(InflightGlobal);
}

void
pgnet_inflight_memory_init(void *memory, int lock_tranche)
{
	(void) lock_tranche;
	all = memory;
	pg_atomic_init_u32(&all->in_flight, 0);
	pg_atomic_init_u32(&all->nwaiting, 0);
}

/* Registered after pgnet_worker_claim()'s callback, so that it runs before. */
void
pgnet_inflight_join(WorkerState *worker)
{
	before_shmem_exit(leave, PointerGetDatum(worker));
}

/* before_shmem_exit callback */
static void
leave(int code, Datum arg)
{
	WorkerState *worker = (WorkerState *) DatumGetPointer(arg);
	uint32		in_flight = pg_atomic_exchange_u32(&worker->in_flight, 0);

	(void) code;
	pg_atomic_fetch_sub_u32(&all->in_flight, in_flight);
	set_waits(worker, false);
	wake_waiting(worker);
}

bool
pgnet_inflight_is_left(WorkerState *worker, int limit)
{
	if (reserved || reserve(worker, limit))
		return true;
	refused = true;
	set_waits(worker, true);
	/* a worker that gave back before that did not see us wait */
	return reserve(worker, limit);
}

void
pgnet_inflight_wait(WorkerState *worker)
{
	refused = true;
	set_waits(worker, true);
}

int64
pgnet_inflight_share(WorkerState *worker, int limit)
{
	return share_of(worker, pg_atomic_read_u32(&all->in_flight), limit);
}

void
pgnet_inflight_take(void)
{
	Assert(reserved);
	reserved = false;
}

void
pgnet_inflight_give_back(WorkerState *worker)
{
	pg_atomic_fetch_sub_u32(&worker->in_flight, 1);
	pg_atomic_fetch_sub_u32(&all->in_flight, 1);
	gave_back = true;
}

void
pgnet_inflight_settle(WorkerState *worker)
{
	if (reserved)
		pgnet_inflight_give_back(worker);
	reserved = false;
	if (!refused)
		set_waits(worker, false);
	if (gave_back)
		wake_waiting(worker);
	refused = gave_back = false;
}

/* Take a place, if that is within the worker's share. */
static bool
reserve(WorkerState *worker, int limit)
{
	uint32		in_flight = pg_atomic_read_u32(&all->in_flight);
	uint32		own = pg_atomic_read_u32(&worker->in_flight);

	do
	{
		if (own >= share_of(worker, in_flight, limit))
			return false;
	} while (!pg_atomic_compare_exchange_u32(&all->in_flight,
											 &in_flight, in_flight + 1));
	pg_atomic_fetch_add_u32(&worker->in_flight, 1);
	reserved = true;
	return true;
}

/* What a worker may have when in_flight are in flight in all. */
static int64
share_of(WorkerState *worker, uint32 in_flight, int limit)
{
	uint32		own = pg_atomic_read_u32(&worker->in_flight);
	uint32		waits = pg_atomic_read_u32(&worker->waits);
	bool		alone = in_flight == own &&
		pg_atomic_read_u32(&all->nwaiting) == waits;

	return pgnet_share(limit, (int64) in_flight - own,
					   alone ? PGNET_REST_OF_ONE : PGNET_REST_OF_ROLES);
}

/* Only the worker itself calls this. */
static void
set_waits(WorkerState *worker, bool waits)
{
	if (pg_atomic_exchange_u32(&worker->waits, waits) == (uint32) waits)
		return;
	if (waits)
	{
		pg_atomic_fetch_add_u32(&all->nwaiting, 1);
		return;
	}
	pg_atomic_fetch_sub_u32(&all->nwaiting, 1);
	/* another one may be alone now, and have a larger share */
	gave_back = true;
}

static void
wake_waiting(WorkerState *giver)
{
	int			count;

	if (pg_atomic_read_u32(&all->nwaiting) == 0)
		return;
	count = pgnet_registry_count();
	for (int i = 0; i < count; i++)
	{
		DatabaseState *database = pgnet_registry_at(i);
		WorkerState *worker = &database->worker;

		if (worker != giver &&
			pg_atomic_read_u32(&worker->waits) != 0)
			pgnet_database_wake(database);
	}
}
