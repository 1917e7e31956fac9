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
	slock_t		mutex;			/* protects the next two */
	pid_t		pid;			/* 0: no launcher */
	int			proc;			/* its index among the PGPROCs */

	bool		probed_all;		/* every database was probed once */
	pg_atomic_uint32 databases_changed; /* since they were last read */
	pg_atomic_uint32 nwaiting;	/* databases that wait for a process */
} LauncherState;

static LauncherState *launcher = NULL;

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
	launcher->probed_all = false;
	pg_atomic_init_u32(&launcher->databases_changed, false);
	pg_atomic_init_u32(&launcher->nwaiting, 0);
}

/* Without a launcher nothing is lost: it begins with a pass over everything. */
void
pgnet_launcher_wake(void)
{
	int			proc;

	SpinLockAcquire(&launcher->mutex);
	proc = launcher->pid != 0 ? launcher->proc : -1;
	SpinLockRelease(&launcher->mutex);

	/* if it just left, another process is woken for nothing */
	if (proc >= 0)
		SetLatch(&GetPGProcByNumber(proc)->procLatch);
}

void
pgnet_launcher_note_databases_changed(void)
{
	pg_atomic_write_u32(&launcher->databases_changed, true);
	pgnet_launcher_wake();
}

bool
pgnet_launcher_take_databases_changed(void)
{
	return pg_atomic_exchange_u32(&launcher->databases_changed, false);
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

/* The exit callback is registered first; it does nothing without a claim. */
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

/* Only the launcher uses this, of which there is one: no lock. */
bool
pgnet_launcher_has_probed_all(void)
{
	return launcher->probed_all;
}

void
pgnet_launcher_set_probed_all(void)
{
	launcher->probed_all = true;
}
