/*
 * slots.c -- shared memory: one slot for each database we know.
 *
 * Runs in: every process.
 *
 * Slots are given out under one lock and never taken back, so that whoever
 * found its slot once needs no lock to use it.  Everything in a slot is a
 * fact about processes, never a pointer or a descriptor: a process that dies
 * leaves nothing behind that could not be read.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/shmem.h"

#include "compat.h"
#include "shared/slots.h"

/* Databases that can be known at once; 120 bytes each. */
#define MAX_SLOTS 256

typedef struct SharedState
{
	slock_t		mutex;			/* protects failed_starts */
	int			failed_starts;

	LWLock	   *lock;			/* protects nslots and giving out slots */
	int			nslots;
	WorkerSlot	slots[MAX_SLOTS];
} SharedState;

static SharedState *shared = NULL;
static shmem_request_hook_type previous_request_hook = NULL;
static shmem_startup_hook_type previous_startup_hook = NULL;

static void request_shared_memory(void);
static void set_up_shared_memory(void);
static WorkerSlot *find_slot(Oid database);
static void wake_worker(WorkerSlot *slot);
static pid_t dismiss(WorkerSlot *slot);
static void slot_init(WorkerSlot *slot, Oid database);
static void release_slot(int code, Datum slot);

/* Hook into the server's start. */
void
pgnet_slots_init(void)
{
	previous_request_hook = shmem_request_hook;
	shmem_request_hook = request_shared_memory;
	previous_startup_hook = shmem_startup_hook;
	shmem_startup_hook = set_up_shared_memory;
}

/* Is the shared memory there? */
bool
pgnet_slots_available(void)
{
	return shared != NULL;
}

/* Find or give out the slot of a database. */
WorkerSlot *
pgnet_slot_get(Oid database)
{
	WorkerSlot *slot = pgnet_slot_find(database);

	if (slot != NULL)
		return slot;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	slot = find_slot(database);
	if (slot == NULL && shared->nslots < MAX_SLOTS)
	{
		slot = &shared->slots[shared->nslots];
		slot_init(slot, database);
		shared->nslots++;
	}
	LWLockRelease(shared->lock);
	if (slot == NULL)
		ereport(ERROR,
				errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				errmsg("pg_net can serve at most %d databases", MAX_SLOTS),
				errhint("A restart of the server forgets databases that are gone."));
	return slot;
}

/* Find the slot of a database. */
WorkerSlot *
pgnet_slot_find(Oid database)
{
	static WorkerSlot *last = NULL;

	/* a process serves one database: it asks for the same slot each time */
	if (last != NULL && last->database == database)
		return last;
	LWLockAcquire(shared->lock, LW_SHARED);
	last = find_slot(database);
	LWLockRelease(shared->lock);
	return last;
}

/*
 * Become the slot's worker.  The exit callback is registered first, and takes
 * back only what is ours.
 */
void
pgnet_slot_claim(WorkerSlot *slot)
{
	before_shmem_exit(release_slot, PointerGetDatum(slot));
	SpinLockAcquire(&slot->mutex);
	slot->worker_pid = MyProcPid;
	slot->worker_proc = pgnet_my_proc_number();
	slot->ready = false;
	SpinLockRelease(&slot->mutex);
}

/* Tell those who wait for it that the worker is at work. */
void
pgnet_slot_set_ready(WorkerSlot *slot)
{
	SpinLockAcquire(&slot->mutex);
	slot->ready = true;
	SpinLockRelease(&slot->mutex);
	pgnet_slot_broadcast(slot);
}

/* The lowest id announced since the last call, or PGNET_NOTHING_NEW. */
int64
pgnet_slot_take_new(WorkerSlot *slot)
{
	/* a plain read first: the line is shared with every committing backend */
	if ((int64) pg_atomic_read_u64(&slot->lowest_new_id) == PGNET_NOTHING_NEW)
		return PGNET_NOTHING_NEW;
	return (int64) pg_atomic_exchange_u64(&slot->lowest_new_id,
										  (uint64) PGNET_NOTHING_NEW);
}

/* Tell all who wait for something about the slot to look again. */
void
pgnet_slot_broadcast(WorkerSlot *slot)
{
	pg_atomic_fetch_add_u32(&slot->changes, 1);
	ConditionVariableBroadcast(&slot->changed);
}

/* Were rows changed or removed by others since the last call? */
bool
pgnet_slot_take_changed(WorkerSlot *slot)
{
	if (pg_atomic_read_u32(&slot->rows_changed) == 0)
		return false;
	return pg_atomic_exchange_u32(&slot->rows_changed, 0) != 0;
}

/* Is this process the slot's worker? */
bool
pgnet_slot_is_mine(WorkerSlot *slot)
{
	/* only ever set to our pid by ourselves: no lock */
	return slot->worker_pid == MyProcPid;
}

/* Did the worker before this one begin its work, and not leave cleanly? */
bool
pgnet_slot_is_unfinished(WorkerSlot *slot)
{
	bool		unfinished;

	SpinLockAcquire(&slot->mutex);
	unfinished = slot->unfinished;
	SpinLockRelease(&slot->mutex);
	return unfinished;
}

/* Begin the slot's work, or leave it cleanly. */
void
pgnet_slot_set_unfinished(WorkerSlot *slot, bool unfinished)
{
	SpinLockAcquire(&slot->mutex);
	slot->unfinished = unfinished;
	SpinLockRelease(&slot->mutex);
}

/* Another number each time there was a change. */
uint32
pgnet_slot_changes(WorkerSlot *slot)
{
	return pg_atomic_read_u32(&slot->changes);
}

/* Is the worker at work? */
bool
pgnet_slot_is_ready(WorkerSlot *slot)
{
	bool		ready;

	SpinLockAcquire(&slot->mutex);
	ready = slot->worker_pid != 0 && slot->ready;
	SpinLockRelease(&slot->mutex);
	return ready;
}

/* Count a worker as gone. */
pid_t
pgnet_slot_dismiss(Oid database)
{
	WorkerSlot *slot = pgnet_slot_find(database);
	pid_t		pid = slot ? dismiss(slot) : 0;

	LWLockAcquire(shared->lock, LW_SHARED);
	for (int i = 0; i < shared->nslots && pid == 0; i++)
		pid = dismiss(&shared->slots[i]);
	LWLockRelease(shared->lock);
	return pid;
}

/*
 * Say that there are new rows from id on, and wake the worker.  Called after
 * commit: must not throw.  The exchange of the worker and this one are full
 * barriers, so either the worker sees the id or the id comes before its look.
 */
void
pgnet_slot_announce(WorkerSlot *slot, int64 id)
{
	uint64		lowest = pg_atomic_read_u64(&slot->lowest_new_id);

	while (id < (int64) lowest &&
		   !pg_atomic_compare_exchange_u64(&slot->lowest_new_id, &lowest,
										   (uint64) id))
		;
	wake_worker(slot);
}

/*
 * Say that rows were changed or removed, to the worker and to those who wait
 * for one of them.  Called after commit: must not throw.
 */
void
pgnet_slot_announce_changed(WorkerSlot *slot)
{
	pg_atomic_write_u32(&slot->rows_changed, 1);
	wake_worker(slot);
	pgnet_slot_broadcast(slot);
}

/* Count a start; how many failed before it. */
int
pgnet_starts_begin(void)
{
	int			before;

	SpinLockAcquire(&shared->mutex);
	before = shared->failed_starts++;
	SpinLockRelease(&shared->mutex);
	return before;
}

/* This start went well. */
void
pgnet_starts_succeed(void)
{
	SpinLockAcquire(&shared->mutex);
	shared->failed_starts = 0;
	SpinLockRelease(&shared->mutex);
}

/* shmem_request_hook: say how much we need. */
static void
request_shared_memory(void)
{
	if (previous_request_hook)
		previous_request_hook();
	RequestAddinShmemSpace(MAXALIGN(sizeof(SharedState)));
	RequestNamedLWLockTranche("pg_net", 1);
}

/* shmem_startup_hook: find or make the shared state. */
static void
set_up_shared_memory(void)
{
	bool		found;

	if (previous_startup_hook)
		previous_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shared = ShmemInitStruct("pg_net", sizeof(SharedState), &found);
	if (!found)
	{
		SpinLockInit(&shared->mutex);
		shared->failed_starts = 0;
		shared->lock = &GetNamedLWLockTranche("pg_net")->lock;
		shared->nslots = 0;
	}
	LWLockRelease(AddinShmemInitLock);
}

/* Set the latch of the slot's worker, if there is one. */
static void
wake_worker(WorkerSlot *slot)
{
	int			worker_proc = -1;

	SpinLockAcquire(&slot->mutex);
	if (slot->worker_pid != 0)
		worker_proc = slot->worker_proc;
	SpinLockRelease(&slot->mutex);

	/* a worker that just left: somebody else's latch is set once in vain */
	if (worker_proc >= 0)
		SetLatch(&GetPGProcByNumber(worker_proc)->procLatch);
}

/* Count the slot's worker as gone; its pid, or 0. */
static pid_t
dismiss(WorkerSlot *slot)
{
	pid_t		pid;

	SpinLockAcquire(&slot->mutex);
	slot->ready = false;
	pid = slot->worker_pid;
	SpinLockRelease(&slot->mutex);
	return pid;
}

/* The slot of a database, or NULL; the caller holds the lock. */
static WorkerSlot *
find_slot(Oid database)
{
	for (int i = 0; i < shared->nslots; i++)
		if (shared->slots[i].database == database)
			return &shared->slots[i];
	return NULL;
}

/* Make a slot; the caller holds the lock exclusively. */
static void
slot_init(WorkerSlot *slot, Oid database)
{
	slot->database = database;
	pg_atomic_init_u64(&slot->lowest_new_id, (uint64) PGNET_NOTHING_NEW);
	pg_atomic_init_u32(&slot->rows_changed, 0);
	pg_atomic_init_u32(&slot->changes, 0);
	SpinLockInit(&slot->mutex);
	slot->worker_pid = 0;
	slot->worker_proc = -1;
	slot->ready = false;
	slot->unfinished = false;
	ConditionVariableInit(&slot->changed);
}

/* before_shmem_exit callback of the worker. */
static void
release_slot(int code, Datum arg)
{
	WorkerSlot *slot = (WorkerSlot *) DatumGetPointer(arg);

	(void) code;
	SpinLockAcquire(&slot->mutex);
	if (slot->worker_pid == MyProcPid)
	{
		slot->worker_pid = 0;
		slot->ready = false;
	}
	SpinLockRelease(&slot->mutex);
	pgnet_slot_broadcast(slot);
}
