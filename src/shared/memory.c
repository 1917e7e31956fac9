/*
 * memory.c -- the shared memory itself.
 *
 * Runs in: every process.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/shmem.h"

#include "shared/area.h"
#include "shared/memory.h"
#include "shared/prepared.h"
#include "shared/slots.h"

SharedMemory *pgnet_shared = NULL;

static shmem_request_hook_type previous_request_hook = NULL;
static shmem_startup_hook_type previous_startup_hook = NULL;

static void request_shared_memory(void);
static void set_up_shared_memory(void);
static void memory_init(SharedMemory *memory);

/* Hook into the server's start. */
void
pgnet_slots_init(void)
{
	previous_request_hook = shmem_request_hook;
	shmem_request_hook = request_shared_memory;
	previous_startup_hook = shmem_startup_hook;
	shmem_startup_hook = set_up_shared_memory;
}

/* shmem_request_hook: say how much we need. */
static void
request_shared_memory(void)
{
	if (previous_request_hook)
		previous_request_hook();
	RequestAddinShmemSpace(MAXALIGN(sizeof(SharedMemory)));
	RequestAddinShmemSpace(MAXALIGN(PGNET_AREA_BYTES));
	RequestAddinShmemSpace(MAXALIGN(pgnet_prepared_memory()));
	RequestNamedLWLockTranche("pg_net", 1);
}

/* shmem_startup_hook: find or make the shared memory. */
static void
set_up_shared_memory(void)
{
	bool		found;

	if (previous_startup_hook)
		previous_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	pgnet_shared = ShmemInitStruct("pg_net", sizeof(SharedMemory), &found);
	if (!found)
	{
		memory_init(pgnet_shared);
		pgnet_shared->prepared = ShmemInitStruct("pg_net prepared",
												 pgnet_prepared_memory(),
												 &found);
		pgnet_prepared_init_memory(pgnet_shared->prepared);
		pgnet_shared->area = ShmemInitStruct("pg_net area", PGNET_AREA_BYTES,
											 &found);
		pgnet_area_init(pgnet_shared->area);
	}
	LWLockRelease(AddinShmemInitLock);
}

/* Nobody is there yet.  A slot is made when it is given out. */
static void
memory_init(SharedMemory *memory)
{
	SpinLockInit(&memory->mutex);
	memory->launcher_pid = 0;
	memory->launcher_proc = -1;
	memory->databases_changed = false;
	memory->looked_around = false;
	pg_atomic_init_u32(&memory->nunplaced, 0);
	pg_atomic_init_u32(&memory->in_flight, 0);
	pg_atomic_init_u32(&memory->nworkers, 0);
	pg_atomic_init_u32(&memory->nwaiting, 0);
	pg_atomic_init_u32(&memory->nstarving, 0);
	pg_atomic_init_u32(&memory->nquotas, 0);
	memory->lock = &GetNamedLWLockTranche("pg_net")->lock;
	memory->nslots = 0;
}
