/*
 * memory.c -- the shared memory of all modules.
 *
 * Runs in: the postmaster.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"

#include "shared/area.h"
#include "shared/call_tries.h"
#include "shared/inflight_global.h"
#include "shared/inflight_ids.h"
#include "shared/lane_holds.h"
#include "shared/lane_stats.h"
#include "shared/launcher_state.h"
#include "shared/memory.h"
#include "shared/pauses.h"
#include "shared/prepared.h"
#include "shared/quota.h"
#include "shared/registry.h"
#include "shared/stats_file.h"

/* The modules.  Their locks are of one tranche. */
static const struct
{
	Size		(*size) (void);
	void		(*init) (void *memory, int lock_tranche);
} parts[] = {
	{pgnet_launcher_memory_size, pgnet_launcher_memory_init},
	{pgnet_registry_memory_size, pgnet_registry_memory_init},
	{pgnet_inflight_memory_size, pgnet_inflight_memory_init},
	{pgnet_inflight_ids_memory_size, pgnet_inflight_ids_memory_init},
	{pgnet_area_memory_size, pgnet_area_memory_init},
	{pgnet_lane_stats_memory_size, pgnet_lane_stats_memory_init},
	{pgnet_lane_holds_memory_size, pgnet_lane_holds_memory_init},
	{pgnet_pauses_memory_size, pgnet_pauses_memory_init},
	{pgnet_call_tries_memory_size, pgnet_call_tries_memory_init},
	{pgnet_quota_memory_size, pgnet_quota_memory_init},
	{pgnet_prepared_memory_size, pgnet_prepared_memory_init},
};

static shmem_request_hook_type previous_request_hook = NULL;
static shmem_startup_hook_type previous_startup_hook = NULL;

static void request_shared_memory(void);
static void set_up_shared_memory(void);
static Size total_size(void);

void
pgnet_memory_init(void)
{
	previous_request_hook = shmem_request_hook;
	shmem_request_hook = request_shared_memory;
	previous_startup_hook = shmem_startup_hook;
	shmem_startup_hook = set_up_shared_memory;
}

/* shmem_request_hook */
static void
request_shared_memory(void)
{
	if (previous_request_hook)
		previous_request_hook();
	RequestAddinShmemSpace(total_size());
	RequestNamedLWLockTranche("pg_net", 1);
}

/* shmem_startup_hook: the memory is new, as only the postmaster calls this. */
static void
set_up_shared_memory(void)
{
	int			lock_tranche = GetNamedLWLockTranche("pg_net")->lock.tranche;
	bool		found;
	char	   *memory;

	if (previous_startup_hook)
		previous_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	memory = ShmemInitStruct("pg_net", total_size(), &found);
	Assert(!found);
	for (int i = 0; i < (int) lengthof(parts); i++)
	{
		parts[i].init(memory, lock_tranche);
		memory += MAXALIGN(parts[i].size());
	}
	LWLockRelease(AddinShmemInitLock);
	pgnet_stats_file_init();
}

static Size
total_size(void)
{
	Size		size = 0;

	for (int i = 0; i < (int) lengthof(parts); i++)
		size += MAXALIGN(parts[i].size());
	return size;
}
