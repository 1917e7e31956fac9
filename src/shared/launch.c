/*
 * launch.c -- calling the launcher.
 *
 * Runs in: every process.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"

#include "compat.h"
#include "shared/launch.h"
#include "shared/memory.h"

static void call(bool databases);
static void leave(int code, Datum unused);

/* There may be a worker to start. */
void
pgnet_launch_call(void)
{
	call(false);
}

/* There may be other databases. */
void
pgnet_launch_call_databases(void)
{
	call(true);
}

/* Set the launcher's latch, if there is one; a new one looks by itself. */
static void
call(bool databases)
{
	int			launcher_proc = -1;

	SpinLockAcquire(&pgnet_shared->mutex);
	if (databases)
		pgnet_shared->databases_changed = true;
	if (pgnet_shared->launcher_pid != 0)
		launcher_proc = pgnet_shared->launcher_proc;
	SpinLockRelease(&pgnet_shared->mutex);

	/* one that just left: somebody else's latch is set once in vain */
	if (launcher_proc >= 0)
		SetLatch(&GetPGProcByNumber(launcher_proc)->procLatch);
}

/* Is there a launcher? */
bool
pgnet_launch_is_up(void)
{
	bool		up;

	SpinLockAcquire(&pgnet_shared->mutex);
	up = pgnet_shared->launcher_pid != 0;
	SpinLockRelease(&pgnet_shared->mutex);
	return up;
}

/* Do databases wait for a place? */
bool
pgnet_launch_is_short(void)
{
	return pg_atomic_read_u32(&pgnet_shared->nunplaced) > 0;
}

/* So many do. */
void
pgnet_launch_set_unplaced(int databases)
{
	pg_atomic_write_u32(&pgnet_shared->nunplaced, (uint32) databases);
}

/*
 * Become the launcher.  The exit callback is registered first, and takes back
 * only what is ours.
 */
void
pgnet_launch_claim(void)
{
	before_shmem_exit(leave, (Datum) 0);
	SpinLockAcquire(&pgnet_shared->mutex);
	pgnet_shared->launcher_pid = MyProcPid;
	pgnet_shared->launcher_proc = pgnet_my_proc_number();
	SpinLockRelease(&pgnet_shared->mutex);
}

/* before_shmem_exit callback of the launcher. */
static void
leave(int code, Datum unused)
{
	(void) code;
	(void) unused;
	SpinLockAcquire(&pgnet_shared->mutex);
	if (pgnet_shared->launcher_pid == MyProcPid)
		pgnet_shared->launcher_pid = 0;
	SpinLockRelease(&pgnet_shared->mutex);
}

/* Were databases changed since the last call? */
bool
pgnet_launch_take_databases_changed(void)
{
	bool		changed;

	SpinLockAcquire(&pgnet_shared->mutex);
	changed = pgnet_shared->databases_changed;
	pgnet_shared->databases_changed = false;
	SpinLockRelease(&pgnet_shared->mutex);
	return changed;
}

/* Has a launcher looked at every database?  Only launchers ask. */
bool
pgnet_launch_has_looked_around(void)
{
	bool		looked;

	SpinLockAcquire(&pgnet_shared->mutex);
	looked = pgnet_shared->looked_around;
	SpinLockRelease(&pgnet_shared->mutex);
	return looked;
}

/* It has. */
void
pgnet_launch_set_looked_around(void)
{
	SpinLockAcquire(&pgnet_shared->mutex);
	pgnet_shared->looked_around = true;
	SpinLockRelease(&pgnet_shared->mutex);
}
