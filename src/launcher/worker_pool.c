/*
 * worker_pool.c -- the processes of databases, as the launcher sees them.
 *
 * Runs in: the launcher.
 *
 * Only the launcher needs what is in an entry; the rest is in shared memory.
 * So a launcher that is restarted can begin with no entries: a process of an
 * earlier one is the worker of its database, or finds one and exits.
 */
#include "postgres.h"

#include "access/transam.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "backoff.h"
#include "compat.h"
#include "launcher/worker_pool.h"
#include "shared/call_tries.h"
#include "shared/lane_holds.h"
#include "shared/lane_stats.h"
#include "shared/launcher_state.h"
#include "shared/pauses.h"
#include "shared/quota.h"
#include "shared/registry.h"

/* Databases that are probed at the same time. */
#define MAX_PROBES 3

/* A process that failed is started again after 1, 2, 4, ... seconds. */
#define FIRST_RETRY_MS 1000
#define LAST_RETRY_MS 60000

/* A process that ran for this long did not fail to start. */
#define GOOD_START_MS 10000

/* The least interval of messages that max_worker_processes is used up. */
#define SAY_AGAIN_MS 600000

/* Why a database needs a process, the most urgent first. */
typedef enum Need
{
	NEED_WORKER,				/* a start was requested */
	NEED_DUE,					/* a request or a response is due */
	NEED_PROBE,					/* the database is a new copy */
	NEED_KEEP_ALIVE,			/* pg_net.database_name names it */
	NEED_NOTHING
} Need;

typedef enum ProcessKind
{
	WORKER,						/* serves the database */
	PROBE						/* finds what is pending there */
} ProcessKind;

typedef struct WorkerEntry
{
	Oid			database;		/* of the state when the entry was made */
	BackgroundWorkerHandle *handle; /* NULL: no process of this launcher */
	ProcessKind kind;
	TimestampTz started;
	int			failures;		/* in a row */
	TimestampTz not_before;		/* to be started again, after a failure */
	Need		need;			/* when last reviewed */
	TimestampTz since;			/* see need_of() */
} WorkerEntry;

struct WorkerPool
{
	MemoryContext context;
	WorkerEntry *entries;		/* by the index of the database's state */
	int			count;

	Oid		   *to_probe;		/* databases to probe, the last one first */
	int			nto_probe;
	int			nprobes;		/* processes that probe now */

	Backoff		full;			/* when max_worker_processes was used up */
	TimestampTz say_full;		/* when to log that again */
};

static void review(WorkerPool *pool, int index, TimestampTz now,
				   TimestampTz wall, TimestampTz *due);
static Need need_of(const DatabaseSnapshot *snapshot, TimestampTz wall,
					TimestampTz *since);
static void reap(WorkerPool *pool, int index, TimestampTz now);
static void fail(WorkerEntry *entry, TimestampTz now);
static int	start_all(WorkerPool *pool, const DatabaseList *list, Oid role,
					  TimestampTz now, Need least);
static WorkerEntry **find_startable(WorkerPool *pool, const DatabaseList *list,
									Need least, int *count);
static void release(WorkerPool *pool, int index);
static int	compare_needs(const void *a, const void *b);
static void say_full(WorkerPool *pool, int waiting, TimestampTz now);
static bool start_probes(WorkerPool *pool, const DatabaseList *list, Oid role,
						 TimestampTz now);
static bool start_probe(WorkerPool *pool, Oid database, Oid role,
						TimestampTz now);
static bool start(WorkerPool *pool, WorkerEntry *entry, ProcessKind kind,
				  Oid role, TimestampTz now);
static void describe(BackgroundWorker *worker, ProcessKind kind, Oid database,
					 Oid role);

WorkerPool *
pgnet_worker_pool_create(MemoryContext parent)
{
	MemoryContext context = AllocSetContextCreate(parent, "pg_net workers",
												  ALLOCSET_DEFAULT_SIZES);
	WorkerPool *pool = MemoryContextAllocZero(context, sizeof(WorkerPool));

	pool->context = context;
	pool->entries = MemoryContextAllocZero(context, sizeof(WorkerEntry));
	return pool;
}

/* An entry keeps its database until its process has exited. */
void
pgnet_worker_pool_follow_registry(WorkerPool *pool)
{
	int			count = pgnet_registry_count();

	if (count > pool->count)
		pool->entries = repalloc(pool->entries, sizeof(WorkerEntry) * count);
	for (int i = 0; i < count; i++)
	{
		Oid			database = pgnet_registry_at(i)->database;

		/* the rest of the state was written before */
		pg_read_barrier();
		if (i < pool->count &&
			(pool->entries[i].database == database ||
			 pool->entries[i].handle != NULL))
			continue;
		pool->entries[i] = (WorkerEntry) {
			.database = database,
			.need = NEED_NOTHING
		};
	}
	pool->count = count;
}

void
pgnet_worker_pool_release_dropped(WorkerPool *pool, const DatabaseList *list)
{
	for (int i = 0; i < pool->count; i++)
	{
		WorkerEntry *entry = &pool->entries[i];

		if (OidIsValid(entry->database) && entry->handle == NULL &&
			pgnet_databases_find(list, entry->database) == NULL)
			release(pool, i);
	}
}

void
pgnet_worker_pool_probe_all(WorkerPool *pool, const DatabaseList *list)
{
	pool->to_probe = MemoryContextAlloc(pool->context,
										sizeof(Oid) * Max(list->count, 1));
	for (int i = list->count - 1; i >= 0; i--)
		if (list->databases[i].connectable)
			pool->to_probe[pool->nto_probe++] = list->databases[i].oid;
}

bool
pgnet_worker_pool_is_probing(const WorkerPool *pool)
{
	return pool->nto_probe > 0 || pool->nprobes > 0;
}

void
pgnet_worker_pool_forget_failures(WorkerPool *pool)
{
	for (int i = 0; i < pool->count; i++)
	{
		pool->entries[i].failures = 0;
		pool->entries[i].not_before = 0;
	}
	pgnet_backoff_succeeded(&pool->full);
}

void
pgnet_worker_pool_expire_now(WorkerPool *pool)
{
	for (int i = 0; i < pool->count; i++)
		if (OidIsValid(pool->entries[i].database))
			pgnet_database_expire_now(pgnet_registry_at(i));
}

bool
pgnet_worker_pool_review(WorkerPool *pool, TimestampTz now, TimestampTz *due)
{
	TimestampTz wall = GetCurrentTimestamp();
	bool		any = false;

	*due = DT_NOEND;
	for (int i = 0; i < pool->count; i++)
	{
		review(pool, i, now, wall, due);
		any = any || pool->entries[i].need != NEED_NOTHING;
	}
	return any || (pool->nto_probe > 0 && pool->nprobes < MAX_PROBES);
}

/* Set what a database needs, and lower *due. */
static void
review(WorkerPool *pool, int index, TimestampTz now, TimestampTz wall,
	   TimestampTz *due)
{
	WorkerEntry *entry = &pool->entries[index];
	DatabaseState *database = pgnet_registry_at(index);
	DatabaseSnapshot snapshot;

	entry->need = NEED_NOTHING;
	if (!OidIsValid(entry->database))
		return;
	reap(pool, index, now);
	if (entry->handle != NULL)
		return;
	if (database->database != entry->database)
	{
		*due = now;
		return;
	}
	snapshot = pgnet_database_snapshot(database);
	entry->need = need_of(&snapshot, wall, &entry->since);
	if (entry->need == NEED_NOTHING && entry->since != DT_NOEND)
		*due = Min(*due, now + (entry->since - wall));
	else if (entry->need != NEED_NOTHING && entry->not_before > now)
	{
		entry->need = NEED_NOTHING;
		*due = Min(*due, entry->not_before);
	}
}

/*
 * What a process is needed for, and *since when: for rows that are due by the
 * wall clock.  If for nothing, *since is when one will be needed for those,
 * DT_NOEND if that is not known.
 */
static Need
need_of(const DatabaseSnapshot *snapshot, TimestampTz wall, TimestampTz *since)
{
	*since = DT_NOEND;
	if (snapshot->worker.pid != 0 || snapshot->workers_blocked)
		return NEED_NOTHING;
	if (snapshot->start_requested != DT_NOEND)
	{
		*since = snapshot->start_requested;
		return NEED_WORKER;
	}
	if (snapshot->next_due <= wall)
	{
		*since = snapshot->next_due;
		return NEED_DUE;
	}
	if (TransactionIdIsValid(snapshot->copied))
		return NEED_PROBE;
	if (snapshot->keep_alive)
		return NEED_KEEP_ALIVE;
	*since = snapshot->next_due;
	return NEED_NOTHING;
}

/* If the process has exited, forget it, and count a failure if it was one. */
static void
reap(WorkerPool *pool, int index, TimestampTz now)
{
	WorkerEntry *entry = &pool->entries[index];
	DatabaseState *database = pgnet_registry_at(index);
	pid_t		pid;

	if (entry->handle == NULL ||
		GetBackgroundWorkerPid(entry->handle, &pid) != BGWH_STOPPED)
		return;
	pfree(entry->handle);
	entry->handle = NULL;
	/* there is room for another process */
	pgnet_backoff_succeeded(&pool->full);
	if (entry->kind == PROBE)
		pool->nprobes--;
	if (pgnet_database_snapshot(database).worker.clean_exit)
	{
		entry->failures = 0;
		pgnet_registry_release(database, false);
		return;
	}
	/* a probe failed: have a worker started instead */
	if (entry->kind == PROBE)
		pgnet_database_request_start(database);
	if (now < TimestampTzPlusMilliseconds(entry->started, GOOD_START_MS))
		fail(entry, now);
	else
		entry->failures = 0;
}

/* Pause before the next try, twice as long after each failure. */
static void
fail(WorkerEntry *entry, TimestampTz now)
{
	int			wait_ms = FIRST_RETRY_MS << Min(entry->failures, 6);

	entry->failures++;
	entry->not_before =
		TimestampTzPlusMilliseconds(now, Min(wait_ms, LAST_RETRY_MS));
}

TimestampTz
pgnet_worker_pool_started(const WorkerPool *pool, int index)
{
	if (index >= pool->count || pool->entries[index].handle == NULL)
		return 0;
	return pool->entries[index].started;
}

int
pgnet_worker_pool_start_needed(WorkerPool *pool, const DatabaseList *list,
							   Oid role, TimestampTz now, TimestampTz *due)
{
	int			working = start_all(pool, list, role, now, NEED_PROBE);
	int			waiting = working;

	if (waiting == 0 && !start_probes(pool, list, role, now))
		waiting = working = 1;
	/* an idle worker must not take the process of one with work */
	if (waiting == 0)
		waiting = start_all(pool, list, role, now, NEED_KEEP_ALIVE);

	pgnet_launcher_set_waiting(waiting);
	if (waiting > 0)
	{
		say_full(pool, waiting, now);
		pgnet_backoff_failed(&pool->full);
		*due = Min(*due, pool->full.until);
	}
	else
		pgnet_backoff_succeeded(&pool->full);
	return working;
}

static void
say_full(WorkerPool *pool, int waiting, TimestampTz now)
{
	if (now < pool->say_full)
		return;
	pool->say_full = TimestampTzPlusMilliseconds(now, SAY_AGAIN_MS);
	ereport(WARNING,
			errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			errmsg("pg_net is waiting for a background worker: \"max_worker_processes\" (%d) is used up",
				   max_worker_processes),
			errdetail("Databases waiting: %d. Databases with requests take turns.",
					  waiting),
			errhint("Raise \"max_worker_processes\" and restart the server."));
}

/*
 * Start the processes for needs that are at least as urgent, the most urgent
 * first.  Returns for how many there was no room.
 */
static int
start_all(WorkerPool *pool, const DatabaseList *list, Oid role, TimestampTz now,
		  Need least)
{
	int			count;
	WorkerEntry **needed = find_startable(pool, list, least, &count);
	int			started = 0;

	qsort(needed, count, sizeof(WorkerEntry *), compare_needs);
	while (started < count &&
		   start(pool, needed[started],
				 needed[started]->need == NEED_PROBE ? PROBE : WORKER,
				 role, now))
		started++;
	pfree(needed);
	return count - started;
}

/* Entries with such needs whose databases take connections, palloc'd. */
static WorkerEntry **
find_startable(WorkerPool *pool, const DatabaseList *list, Need least,
			   int *count)
{
	WorkerEntry **found = palloc(sizeof(WorkerEntry *) * Max(pool->count, 1));

	*count = 0;
	for (int i = 0; i < pool->count; i++)
	{
		WorkerEntry *entry = &pool->entries[i];
		const Database *database;

		if (entry->need > least || entry->handle != NULL)
			continue;
		database = pgnet_databases_find(list, entry->database);
		if (database == NULL)
			release(pool, i);
		else if (database->connectable)
			found[(*count)++] = entry;
		else
			entry->not_before = DT_NOEND;	/* until pg_database changes */
	}
	return found;
}

/* The database was dropped. */
static void
release(WorkerPool *pool, int index)
{
	pgnet_quota_forget(pool->entries[index].database);
	pgnet_lane_holds_forget(pool->entries[index].database);
	pgnet_lane_stats_forget(pool->entries[index].database);
	pgnet_pauses_forget(pool->entries[index].database);
	pgnet_call_tries_forget(pool->entries[index].database);
	pgnet_registry_release(pgnet_registry_at(index), true);
}

/* qsort comparator: the most urgent first, then the one that waits longest */
static int
compare_needs(const void *a, const void *b)
{
	const WorkerEntry *left = *(WorkerEntry *const *) a;
	const WorkerEntry *right = *(WorkerEntry *const *) b;

	if (left->need != right->need)
		return left->need < right->need ? -1 : 1;
	return left->since < right->since ? -1 : left->since > right->since;
}

/* Probe the next databases; false: there is no room for a process. */
static bool
start_probes(WorkerPool *pool, const DatabaseList *list, Oid role,
			 TimestampTz now)
{
	while (pool->nto_probe > 0 && pool->nprobes < MAX_PROBES)
	{
		Oid			database = pool->to_probe[pool->nto_probe - 1];

		if (pgnet_databases_find(list, database) != NULL &&
			!start_probe(pool, database, role, now))
			return false;
		pool->nto_probe--;
	}
	return true;
}

/* Probe one, unless it has a process; false: there is no room for one. */
static bool
start_probe(WorkerPool *pool, Oid database, Oid role, TimestampTz now)
{
	DatabaseState *state = pgnet_registry_acquire(database);
	WorkerEntry *entry;

	if (state == NULL || pgnet_database_snapshot(state).worker.pid != 0)
		return true;
	pgnet_worker_pool_follow_registry(pool);
	entry = &pool->entries[state - pgnet_registry_at(0)];
	return entry->handle != NULL || start(pool, entry, PROBE, role, now);
}

/* Start a process; false: max_worker_processes is used up. */
static bool
start(WorkerPool *pool, WorkerEntry *entry, ProcessKind kind, Oid role,
	  TimestampTz now)
{
	MemoryContext before = MemoryContextSwitchTo(pool->context);
	BackgroundWorker worker;
	BackgroundWorkerHandle *handle = NULL;

	describe(&worker, kind, entry->database, role);
	pgnet_database_mark_starting(
		pgnet_registry_at((int) (entry - pool->entries)));
	(void) RegisterDynamicBackgroundWorker(&worker, &handle);
	MemoryContextSwitchTo(before);
	if (handle == NULL)
		return false;
	entry->handle = handle;
	entry->kind = kind;
	entry->started = now;
	if (kind == PROBE)
		pool->nprobes++;
	return true;
}

/* The arguments of the process are those that worker/worker.h asks for. */
static void
describe(BackgroundWorker *worker, ProcessKind kind, Oid database, Oid role)
{
	const char *type = kind == PROBE ? "net look" : "pg_net worker";

	*worker = (BackgroundWorker) {
		.bgw_flags = BGWORKER_SHMEM_ACCESS |
			BGWORKER_BACKEND_DATABASE_CONNECTION |
			PGNET_BGWORKER_INTERRUPTIBLE,
		.bgw_start_time = BgWorkerStart_RecoveryFinished,
		.bgw_restart_time = BGW_NEVER_RESTART,
		.bgw_library_name = "pg_net",
		.bgw_main_arg = ObjectIdGetDatum(database),
		.bgw_notify_pid = MyProcPid
	};
	snprintf(worker->bgw_name, BGW_MAXLEN, "%s for database %u", type,
			 database);
	strlcpy(worker->bgw_type, type, BGW_MAXLEN);
	strlcpy(worker->bgw_function_name,
			kind == PROBE ? "pgnet_probe_main" : "pgnet_worker_main", BGW_MAXLEN);
	memcpy(worker->bgw_extra, &role, sizeof(role));
}
