/*
 * callback_state.c -- what the process of callbacks says of itself.
 *
 * Runs in: every process.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "utils/timestamp.h"

#include "clock.h"
#include "compat.h"
#include "shared/callback_state.h"
#include "shared/launcher_state.h"

/* Is this process it? */
static bool claimed = false;

static void announce(DatabaseState *database, Oid role, Oid owner,
					 bool found);
static void release(int code, Datum database);
static StuckProcess *find_stuck(CallbackStatus *status, pid_t pid);

void
pgnet_callbacks_announce(DatabaseState *database, Oid role, Oid owner)
{
	announce(database, role, owner, false);
}

void
pgnet_callbacks_announce_found(DatabaseState *database, Oid role, Oid owner)
{
	announce(database, role, owner, true);
}

/* If there is no process, the next one begins with that role. */
static void
announce(DatabaseState *database, Oid role, Oid owner, bool found)
{
	CallbackStatus *status = &database->callbacks;
	TimestampTz now = pgnet_clock_now();
	TimestampTz wall = GetCurrentTimestamp();

	SpinLockAcquire(&database->mutex);
	status->owner = owner;
	if (status->requested == DT_NOEND)
	{
		status->requested = now;
		if (status->pid == 0)
			status->role = role;
	}
	if (found && !status->looked)
		status->careful_until = wall;
	SpinLockRelease(&database->mutex);
	if (pgnet_callbacks_wake(database) == 0)
		pgnet_launcher_wake();
}

void
pgnet_callbacks_set_looked(DatabaseState *database)
{
	SpinLockAcquire(&database->mutex);
	database->callbacks.looked = true;
	SpinLockRelease(&database->mutex);
}

pid_t
pgnet_callbacks_wake(DatabaseState *database)
{
	CallbackStatus status = pgnet_database_snapshot(database).callbacks;

	/* one that just left: somebody else's latch is set once in vain */
	if (status.pid != 0)
		SetLatch(&GetPGProcByNumber(status.proc)->procLatch);
	return status.pid;
}

bool
pgnet_callbacks_claim(DatabaseState *database, CallbackStatus *result)
{
	CallbackStatus *status = &database->callbacks;

	before_shmem_exit(release, PointerGetDatum(database));
	SpinLockAcquire(&database->mutex);
	if (status->pid == 0 && database->blockers == 0)
	{
		status->pid = MyProcPid;
		status->proc = pgnet_my_proc_number();
		status->calling = false;
		if (OidIsValid(status->connecting))
			status->no_connection = status->connecting;
		status->connecting = InvalidOid;
		claimed = true;
	}
	*result = *status;
	SpinLockRelease(&database->mutex);
	return claimed;
}

/*
 * before_shmem_exit callback.  After a death in a function the next process
 * finds out whose turn it is: that of another role, if there is one.
 */
static void
release(int code, Datum arg)
{
	DatabaseState *database = (DatabaseState *) DatumGetPointer(arg);
	CallbackStatus *status = &database->callbacks;
	TimestampTz now = pgnet_clock_now();
	TimestampTz wall = GetCurrentTimestamp();
	StuckProcess *stuck;

	(void) code;
	if (!claimed)
		return;
	claimed = false;
	SpinLockAcquire(&database->mutex);
	stuck = find_stuck(status, MyProcPid);
	if (stuck != NULL)
	{
		stuck->pid = 0;
		if (status->requested == DT_NOEND)
			status->requested = now;
		SpinLockRelease(&database->mutex);
		(void) pgnet_callbacks_wake(database);
		pgnet_launcher_wake();
		return;
	}
	status->pid = 0;
	if (!status->clean_exit && status->requested == DT_NOEND)
		status->requested = now;
	if (status->calling)
	{
		status->served = status->role;
		status->role = InvalidOid;
		/* who is asked to leave for a change of the database did not crash */
		if (database->blockers == 0)
			status->careful_until = wall;
	}
	SpinLockRelease(&database->mutex);
	pgnet_database_broadcast(database);
	pgnet_launcher_wake();
}

/* That with this pid, or one that is free (0); NULL: there is none. */
static StuckProcess *
find_stuck(CallbackStatus *status, pid_t pid)
{
	for (int i = 0; i < PGNET_MAX_STUCK; i++)
		if (status->stuck[i].pid == pid)
			return &status->stuck[i];
	return NULL;
}

void
pgnet_callbacks_set_connecting(DatabaseState *database, Oid role)
{
	SpinLockAcquire(&database->mutex);
	database->callbacks.connecting = role;
	SpinLockRelease(&database->mutex);
}

void
pgnet_callbacks_set_connected(DatabaseState *database)
{
	pgnet_callbacks_set_connecting(database, InvalidOid);
}

void
pgnet_callbacks_take(DatabaseState *database)
{
	SpinLockAcquire(&database->mutex);
	database->callbacks.requested = DT_NOEND;
	SpinLockRelease(&database->mutex);
}

bool
pgnet_callbacks_have_news(DatabaseState *database)
{
	return pgnet_database_snapshot(database).callbacks.requested != DT_NOEND;
}

void
pgnet_callbacks_begin_call(DatabaseState *database, TimestampTz stuck_at)
{
	SpinLockAcquire(&database->mutex);
	database->callbacks.calling = true;
	database->callbacks.stuck_at = stuck_at;
	SpinLockRelease(&database->mutex);
}

bool
pgnet_callbacks_end_call(DatabaseState *database)
{
	bool		given_up;

	SpinLockAcquire(&database->mutex);
	given_up = database->callbacks.pid != MyProcPid;
	if (!given_up)
		database->callbacks.calling = false;
	SpinLockRelease(&database->mutex);
	return !given_up;
}

bool
pgnet_callbacks_are_stuck(DatabaseState *database, Oid role)
{
	CallbackStatus status = pgnet_database_snapshot(database).callbacks;

	for (int i = 0; i < PGNET_MAX_STUCK; i++)
		if (status.stuck[i].pid != 0 && status.stuck[i].role == role)
			return true;
	return false;
}

pid_t
pgnet_callbacks_give_up_on(DatabaseState *database, bool *replaced)
{
	CallbackStatus *status = &database->callbacks;
	TimestampTz now = pgnet_clock_now();
	TimestampTz wall = GetCurrentTimestamp();
	StuckProcess *stuck;
	pid_t		pid = 0;

	*replaced = false;
	SpinLockAcquire(&database->mutex);
	if (status->pid != 0 && status->calling && status->stuck_at <= now)
		pid = status->pid;
	stuck = pid != 0 ? find_stuck(status, 0) : NULL;
	if (stuck != NULL)
	{
		*stuck = (StuckProcess) {.pid = pid, .role = status->role};
		status->served = status->role;
		status->careful_until = wall;
		status->pid = 0;
		status->calling = false;
		status->role = InvalidOid;
		status->requested = now;
		*replaced = true;
	}
	SpinLockRelease(&database->mutex);
	return pid;
}

bool
pgnet_callbacks_are_careful(DatabaseState *database, TimestampTz created)
{
	return created <=
		pgnet_database_snapshot(database).callbacks.careful_until;
}

void
pgnet_callbacks_hand_over(DatabaseState *database, Oid role)
{
	CallbackStatus *status = &database->callbacks;
	TimestampTz now = pgnet_clock_now();

	SpinLockAcquire(&database->mutex);
	if (OidIsValid(status->role))
		status->served = status->role;
	status->role = role;
	status->requested = now;
	status->clean_exit = true;
	SpinLockRelease(&database->mutex);
}

void
pgnet_callbacks_set_clean_exit(DatabaseState *database)
{
	SpinLockAcquire(&database->mutex);
	database->callbacks.clean_exit = true;
	SpinLockRelease(&database->mutex);
}

void
pgnet_callbacks_mark_starting(DatabaseState *database)
{
	SpinLockAcquire(&database->mutex);
	database->callbacks.clean_exit = false;
	SpinLockRelease(&database->mutex);
}
