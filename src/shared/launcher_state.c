/*
 * launcher_state.c -- what processes know of the launcher.
 *
 * Runs in: every process.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/spin.h"

#include "compat.h"
#include "shared/launcher_state.h"

typedef struct LauncherState
{
	slock_t		mutex;			/* protects the next three */
	pid_t		pid;			/* 0: no launcher */
	int			proc;			/* its index among the PGPROCs */
	bool		databases_changed;	/* since the launcher last looked */
	bool		looked_around;	/* every database was looked at once */

	/* databases that wait for a process */
	pg_atomic_uint32 nwaiting;
} LauncherState;

static LauncherState *launcher = NULL;

static void wake(bool databases_changed);
static void leave(int code, Datum unused);

Size
pgnet_launcher_memory_size(void)
{
	return sizeof(LauncherState);
}

void
pgnet_launcher_memory_init(void *memory, int lock_tranche)
{
	(void) lock_tranche;
	launcher = memory;
	SpinLockInit(&launcher->mutex);
	launcher->pid = 0;
	launcher->proc = -1;
	launcher->databases_changed = launcher->looked_around = false;
	pg_atomic_init_u32(&launcher->nwaiting, 0);
}

void
pgnet_launcher_wake(void)
{
	wake(false);
}

void
pgnet_launcher_note_databases_changed(void)
{
	wake(true);
}

/* Set the launcher's latch, if there is one; a new one looks by itself. */
static void
wake(bool databases_changed)
{
	int			proc = -1;

	SpinLockAcquire(&launcher->mutex);
	if (databases_changed)
		launcher->databases_changed = true;
	if (launcher->pid != 0)
		proc = launcher->proc;
	SpinLockRelease(&launcher->mutex);

	/* one that just left: somebody else's latch is set once in vain */
	if (proc >= 0)
		SetLatch(&GetPGProcByNumber(proc)->procLatch);
}

bool
pgnet_launcher_is_up(void)
{
	bool		up;

	SpinLockAcquire(&launcher->mutex);
	up = launcher->pid != 0;
	SpinLockRelease(&launcher->mutex);
	return up;
}

bool
pgnet_launcher_is_short(void)
{
	return pg_atomic_read_u32(&launcher->nwaiting) > 0;
}

void
pgnet_launcher_set_waiting(int databases)
{
	pg_atomic_write_u32(&launcher->nwaiting, (uint32) databases);
}

/* The exit callback is registered first, and takes back only what is ours. */
void
pgnet_launcher_claim(void)
{
	before_shmem_exit(leave, (Datum) 0);
	SpinLockAcquire(&launcher->mutex);
	launcher->pid = MyProcPid;
	launcher->proc = pgnet_my_proc_number();
	SpinLockRelease(&launcher->mutex);
}

/* before_shmem_exit callback of the launcher */
static void
leave(int code, Datum unused)
{
	(void) code;
	(void) unused;
	SpinLockAcquire(&launcher->mutex);
	if (launcher->pid == MyProcPid)
		launcher->pid = 0;
	SpinLockRelease(&launcher->mutex);
}

bool
pgnet_launcher_take_databases_changed(void)
{
	bool		changed;

	SpinLockAcquire(&launcher->mutex);
	changed = launcher->databases_changed;
	launcher->databases_changed = false;
	SpinLockRelease(&launcher->mutex);
	return changed;
}

/* Only launchers ask and set this: no lock. */
bool
pgnet_launcher_has_looked_around(void)
{
	return launcher->looked_around;
}

void
pgnet_launcher_set_looked_around(void)
{
	launcher->looked_around = true;
}
