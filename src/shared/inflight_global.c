/*
 * inflight_global.c -- requests in flight of all workers together.
 *
 * Runs in: workers.
 *
 * A worker that is refused waits, and is starving while it has less in flight
 * than its share of the limit.  As long as one is starving, those that have
 * their share get no more: what they give back is for others.
 */
#include "postgres.h"

#include "storage/ipc.h"

#include "shared/inflight_global.h"
#include "shared/registry.h"

/* What a worker waits for. */
enum
{
	WAITS_FOR_NOTHING,
	WAITS_FOR_MORE,				/* than its share */
	WAITS_FOR_SHARE
};

typedef struct InflightGlobal
{
	pg_atomic_uint32 in_flight; /* requests, of all workers */
	pg_atomic_uint32 nworkers;
	pg_atomic_uint32 nwaiting;	/* workers that want more room */
	pg_atomic_uint32 nstarving; /* those of them with less than their share */
} InflightGlobal;

static InflightGlobal *all = NULL;

/* This worker counts one more than it has in flight: the next one. */
static bool reserved = false;

/* Of this worker, since it last settled. */
static bool refused = false;
static bool gave_back = false;

static void leave(int code, Datum worker);
static bool has_share(WorkerState *worker, int limit);
static bool reserve(WorkerState *worker, int limit);
static void set_waits(WorkerState *worker, uint32 waits);
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
	pg_atomic_init_u32(&all->nworkers, 0);
	pg_atomic_init_u32(&all->nwaiting, 0);
	pg_atomic_init_u32(&all->nstarving, 0);
}

/* The exit callback comes after the claim's, so it is called before that. */
void
pgnet_inflight_join(WorkerState *worker)
{
	before_shmem_exit(leave, PointerGetDatum(worker));
	pg_atomic_fetch_add_u32(&all->nworkers, 1);
}

/* before_shmem_exit callback */
static void
leave(int code, Datum arg)
{
	WorkerState *worker = (WorkerState *) DatumGetPointer(arg);
	uint32		in_flight = pg_atomic_exchange_u32(&worker->in_flight, 0);

	(void) code;
	pg_atomic_fetch_sub_u32(&all->nworkers, 1);
	pg_atomic_fetch_sub_u32(&all->in_flight, in_flight);
	set_waits(worker, WAITS_FOR_NOTHING);
	wake_waiting(worker);
}

bool
pgnet_inflight_is_left(WorkerState *worker, int limit)
{
	if (reserved || reserve(worker, limit))
		return true;
	refused = true;
	set_waits(worker,
			  has_share(worker, limit) ? WAITS_FOR_MORE : WAITS_FOR_SHARE);
	/* whoever gave back before that did not see us wait */
	return reserve(worker, limit);
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
		set_waits(worker, WAITS_FOR_NOTHING);
	if (gave_back)
		wake_waiting(worker);
	refused = gave_back = false;
}

/* Has it as much as each may have? */
static bool
has_share(WorkerState *worker, int limit)
{
	uint32		nworkers = pg_atomic_read_u32(&all->nworkers);
	uint32		share = (uint32) limit / Max(nworkers, 1);

	return pg_atomic_read_u32(&worker->in_flight) >= Max(share, 1);
}

/* Count one more, if there is room and nobody needs it more. */
static bool
reserve(WorkerState *worker, int limit)
{
	uint32		in_flight = pg_atomic_read_u32(&all->in_flight);

	if (pg_atomic_read_u32(&all->nstarving) > 0 &&
		has_share(worker, limit))
		return false;
	do
	{
		if (in_flight >= (uint32) limit)
			return false;
	} while (!pg_atomic_compare_exchange_u32(&all->in_flight,
											 &in_flight, in_flight + 1));
	pg_atomic_fetch_add_u32(&worker->in_flight, 1);
	reserved = true;
	return true;
}

/* Wait, or not; only the worker itself calls this. */
static void
set_waits(WorkerState *worker, uint32 waits)
{
	uint32		before = pg_atomic_exchange_u32(&worker->waits, waits);

	if (before == waits)
		return;
	if (before == WAITS_FOR_NOTHING)
		pg_atomic_fetch_add_u32(&all->nwaiting, 1);
	if (waits == WAITS_FOR_NOTHING)
		pg_atomic_fetch_sub_u32(&all->nwaiting, 1);
	if (waits == WAITS_FOR_SHARE)
		pg_atomic_fetch_add_u32(&all->nstarving, 1);
	/* the last that starved: others may have more than their share */
	if (before == WAITS_FOR_SHARE &&
		pg_atomic_fetch_sub_u32(&all->nstarving, 1) == 1)
		gave_back = true;
}

/* Set the latches of those that wait. */
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
			pg_atomic_read_u32(&worker->waits) != WAITS_FOR_NOTHING)
			pgnet_database_wake(database);
	}
}
