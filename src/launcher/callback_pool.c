/*
 * callback_pool.c -- the processes of callbacks, as the launcher sees them.
 *
 * Runs in: the launcher.
 *
 * Requests go first: a process of callbacks starts when no worker waits for
 * one, and leaves when one does.
 */
#include "postgres.h"

#include "access/transam.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "backoff.h"
#include "compat.h"
#include "launcher/callback_pool.h"
#include "settings.h"
#include "shared/callback_state.h"
#include "shared/registry.h"

/* While there are too few processes, the log says so this often at most. */
#define SAY_AGAIN_MS 600000

/* What can be done about code that never lets PostgreSQL interrupt it. */
#define END_THEM \
	"If the function does not return, only an immediate shutdown ends it, after which the server recovers as after a crash."

/* How much longer than a call may last a process is left alone. */
#define LOOK_MS 8000

/* That of one database. */
typedef struct CallbackEntry
{
	Oid			database;		/* as the state said when it was started */
	BackgroundWorkerHandle *handle; /* of a process, or NULL */
	Backoff		failed;
	TimestampTz since;			/* needed; DT_NOEND: it is not */
	pid_t		blocking_pid;	/* of which it was said that others wait */
} CallbackEntry;

struct CallbackPool
{
	MemoryContext context;
	CallbackEntry *entries;		/* by the index of the database's state */
	int			count;
	Backoff		full;			/* no room for another process */
	TimestampTz say_full;		/* not in the log before that again */
};

static void follow_registry(CallbackPool *pool);
static void review(CallbackPool *pool, int index, TimestampTz now,
				   TimestampTz *due);
static void give_up_on_stuck(CallbackEntry *entry, DatabaseState *database,
							 TimestampTz now, TimestampTz *due);
static void say_blocked(CallbackEntry *entry, pid_t pid);
static void reap(CallbackPool *pool, int index);
static CallbackEntry *longest_waiting(CallbackPool *pool,
									  const DatabaseList *list);
static bool start(CallbackPool *pool, CallbackEntry *entry, Oid role);
static void say_full(CallbackPool *pool, TimestampTz now);

CallbackPool *
pgnet_callback_pool_create(MemoryContext parent)
{
	MemoryContext context = AllocSetContextCreate(parent, "pg_net callbacks",
												  ALLOCSET_DEFAULT_SIZES);
	CallbackPool *pool = MemoryContextAllocZero(context, sizeof(CallbackPool));

	pool->context = context;
	pool->entries = MemoryContextAllocZero(context, sizeof(CallbackEntry));
	return pool;
}

void
pgnet_callback_pool_forget_failures(CallbackPool *pool)
{
	for (int i = 0; i < pool->count; i++)
		pgnet_backoff_succeeded(&pool->entries[i].failed);
	pgnet_backoff_succeeded(&pool->full);
}

bool
pgnet_callback_pool_review(CallbackPool *pool, TimestampTz now,
						   TimestampTz *due)
{
	bool		any = false;

	follow_registry(pool);
	for (int i = 0; i < pool->count; i++)
	{
		review(pool, i, now, due);
		any = any || pool->entries[i].since != DT_NOEND;
	}
	return any;
}

/* There may be more states than when we last looked. */
static void
follow_registry(CallbackPool *pool)
{
	int			count = pgnet_registry_count();

	if (count <= pool->count)
		return;
	pool->entries = repalloc(pool->entries, sizeof(CallbackEntry) * count);
	memset(pool->entries + pool->count, 0,
		   sizeof(CallbackEntry) * (count - pool->count));
	pool->count = count;
}

/* Has its process ended, and is another one needed? */
static void
review(CallbackPool *pool, int index, TimestampTz now, TimestampTz *due)
{
	CallbackEntry *entry = &pool->entries[index];
	DatabaseState *database = pgnet_registry_at(index);
	DatabaseSnapshot snapshot;

	entry->since = DT_NOEND;
	reap(pool, index);
	give_up_on_stuck(entry, database, now, due);
	if (entry->handle != NULL || !OidIsValid(database->database))
		return;
	if (entry->database != database->database)
		*entry = (CallbackEntry) {
			.database = database->database,
			.since = DT_NOEND
		};
	snapshot = pgnet_database_snapshot(database);
	if (snapshot.callbacks.pid != 0 || snapshot.workers_blocked ||
		snapshot.callbacks.requested == DT_NOEND ||
		TransactionIdIsValid(snapshot.copied))
		return;
	if (pgnet_backoff_over(&entry->failed, now))
		entry->since = snapshot.callbacks.requested;
	else
		*due = Min(*due, entry->failed.until);
}

/*
 * Does it go on although it was to be ended?  That cannot be helped, but others
 * need not wait for it.
 */
static void
give_up_on_stuck(CallbackEntry *entry, DatabaseState *database,
				 TimestampTz now, TimestampTz *due)
{
	CallbackStatus status = pgnet_database_snapshot(database).callbacks;
	bool		replaced;
	pid_t		pid;

	if (status.pid == 0 && entry->handle == NULL)
		return;
	pid = pgnet_callbacks_give_up_on(database, &replaced);
	if (pid != 0 && !replaced)
		say_blocked(entry, pid);
	if (!replaced)
	{
		/* nobody says that a call begins: that would cost each one */
		now = TimestampTzPlusMilliseconds(now, LOOK_MS);
		now = TimestampTzPlusMilliseconds(now, pgnet_setting_callback_timeout);
		*due = Min(*due, now);
		return;
	}
	ereport(WARNING,
			errmsg("a callback of pg_net cannot be ended: process %d of database %u",
				   pid, entry->database),
			errdetail("pg_stat_activity shows the function. Callbacks of other roles go on without it."),
			errhint(END_THEM));
	if (entry->handle != NULL)
		pfree(entry->handle);
	entry->handle = NULL;
}

/* Others wait for it.  Said once of each. */
static void
say_blocked(CallbackEntry *entry, pid_t pid)
{
	if (pid == entry->blocking_pid)
		return;
	entry->blocking_pid = pid;
	ereport(WARNING,
			errmsg("callbacks of pg_net are waiting: process %d of database %u cannot be ended, nor can %d others",
				   pid, entry->database, PGNET_MAX_STUCK),
			errdetail("pg_stat_activity shows the functions. Callbacks go on when one of these processes has ended."),
			errhint(END_THEM));
}

/* Has the process ended, and well? */
static void
reap(CallbackPool *pool, int index)
{
	CallbackEntry *entry = &pool->entries[index];
	DatabaseState *database = pgnet_registry_at(index);
	pid_t		pid;

	if (entry->handle == NULL ||
		GetBackgroundWorkerPid(entry->handle, &pid) != BGWH_STOPPED)
		return;
	pfree(entry->handle);
	entry->handle = NULL;
	/* there is room for another */
	pgnet_backoff_succeeded(&pool->full);
	if (entry->database != database->database)
		return;
	if (pgnet_database_snapshot(database).callbacks.clean_exit)
	{
		pgnet_backoff_succeeded(&entry->failed);
		pgnet_registry_release(database, false);
	}
	else
		pgnet_backoff_failed(&entry->failed);
}

void
pgnet_callback_pool_start_needed(CallbackPool *pool, const DatabaseList *list,
								 Oid role, TimestampTz now, TimestampTz *due)
{
	CallbackEntry *entry;

	if (!pgnet_backoff_over(&pool->full, now))
	{
		*due = Min(*due, pool->full.until);
		return;
	}
	while ((entry = longest_waiting(pool, list)) != NULL)
	{
		entry->since = DT_NOEND;
		if (start(pool, entry, role))
			continue;
		say_full(pool, now);
		pgnet_backoff_failed(&pool->full);
		*due = Min(*due, pool->full.until);
		return;
	}
	pgnet_backoff_succeeded(&pool->full);
}

/* Of the databases that take connections; NULL: none. */
static CallbackEntry *
longest_waiting(CallbackPool *pool, const DatabaseList *list)
{
	CallbackEntry *first = NULL;

	for (int i = 0; i < pool->count; i++)
	{
		CallbackEntry *entry = &pool->entries[i];
		const Database *database;

		if (entry->since == DT_NOEND ||
			(first != NULL && first->since <= entry->since))
			continue;
		database = pgnet_databases_find(list, entry->database);
		if (database != NULL && database->connectable)
			first = entry;
	}
	return first;
}

/* Start a process; false: there is no room.  See callbacks/process.h. */
static bool
start(CallbackPool *pool, CallbackEntry *entry, Oid role)
{
	MemoryContext before = MemoryContextSwitchTo(pool->context);
	BackgroundWorker worker = {
		.bgw_type = "net callback",
		.bgw_flags = BGWORKER_SHMEM_ACCESS |
			BGWORKER_BACKEND_DATABASE_CONNECTION |
			PGNET_BGWORKER_INTERRUPTIBLE,
		.bgw_start_time = BgWorkerStart_RecoveryFinished,
		.bgw_restart_time = BGW_NEVER_RESTART,
		.bgw_library_name = "pg_net",
		.bgw_function_name = "pgnet_callback_main",
		.bgw_main_arg = ObjectIdGetDatum(entry->database),
		.bgw_notify_pid = MyProcPid
	};

	snprintf(worker.bgw_name, BGW_MAXLEN, "net callback for database %u",
			 entry->database);
	memcpy(worker.bgw_extra, &role, sizeof(role));
	pgnet_callbacks_mark_starting(
		pgnet_registry_at((int) (entry - pool->entries)));
	(void) RegisterDynamicBackgroundWorker(&worker, &entry->handle);
	MemoryContextSwitchTo(before);
	return entry->handle != NULL;
}

/* Say which limit is in the way, but not again and again. */
static void
say_full(CallbackPool *pool, TimestampTz now)
{
	if (now < pool->say_full)
		return;
	pool->say_full = TimestampTzPlusMilliseconds(now, SAY_AGAIN_MS);
	ereport(WARNING,
			errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			errmsg("callbacks of pg_net are waiting for a background worker: \"max_worker_processes\" (%d) is used up",
				   max_worker_processes),
			errhint("Raise \"max_worker_processes\" and restart the server."));
}

void
pgnet_callback_pool_give_way(void)
{
	int			count = pgnet_registry_count();

	for (int i = 0; i < count; i++)
		(void) pgnet_callbacks_wake(pgnet_registry_at(i));
}
