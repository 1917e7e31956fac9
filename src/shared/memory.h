/*
 * memory.h -- the shared memory itself.
 *
 * Runs in: every process.  Only the files of shared/ look into it.
 */
#ifndef PGNET_MEMORY_H
#define PGNET_MEMORY_H

#include "postgres.h"

#include "lib/dshash.h"
#include "storage/lwlock.h"

#include "shared/quota.h"
#include "shared/slot.h"

/* Databases that can have a slot at once; some 200 bytes each. */
#define PGNET_MAX_SLOTS 4096

typedef struct PreparedTransactions PreparedTransactions;

typedef struct SharedMemory
{
	slock_t		mutex;			/* protects the next four */
	pid_t		launcher_pid;	/* 0: no launcher */
	int			launcher_proc;	/* its index among the PGPROCs */
	bool		databases_changed;	/* since the launcher last looked */
	bool		looked_around;	/* every database was looked at once */

	/* databases that wait for a place among the background workers */
	pg_atomic_uint32 nunplaced;

	/* see total.c */
	pg_atomic_uint32 in_flight; /* requests, of all workers */
	pg_atomic_uint32 nworkers;
	pg_atomic_uint32 nwaiting;	/* workers that want more room */
	pg_atomic_uint32 nstarving; /* those of them with less than their share */

	/* see area.c, quota.c and prepared.c */
	void	   *area;
	dshash_table_handle quotas;
	pg_atomic_uint32 nquotas;
	PreparedTransactions *prepared;

	LWLock	   *lock;			/* of prepared, nslots, and whose slots are */
	int			nslots;			/* all those ever given out come first */
	WorkerSlot	slots[PGNET_MAX_SLOTS];
} SharedMemory;

/* NULL without shared_preload_libraries. */
extern SharedMemory *pgnet_shared;

#endif							/* PGNET_MEMORY_H */
