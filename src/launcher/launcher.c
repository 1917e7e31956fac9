/*
 * launcher.c -- the process that starts the others.
 *
 * Runs in: the launcher.
 *
 * It is connected to no database and reads the shared catalogs only.  Shared
 * memory says what each database needs; whoever changes that sets the
 * launcher's latch.  So it sleeps until there is something to start.
 *
 * The process ends with exit code 1: the postmaster starts it again, while 0
 * would unregister it for good.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/sinval.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "backoff.h"
#include "clock.h"
#include "clock_watch.h"
#include "compat.h"
#include "launcher/callback_pool.h"
#include "launcher/databases.h"
#include "launcher/launcher.h"
#include "launcher/preempt.h"
#include "launcher/worker_pool.h"
#include "settings.h"
#include "shared/launcher_state.h"
#include "shared/prepared.h"
#include "shared/registry.h"

/* After an exit the postmaster waits this long. */
#define RESTART_SECONDS 1

/* The longest rest: the wall clock may be set, and expiry depends on it. */
#define LONGEST_REST_MS (3600L * 1000)

typedef struct Launcher
{
	MemoryContext pass;			/* reset at the start of each pass */
	TimestampTz now;			/* of this pass, by pgnet_clock_now() */
	TimestampTz due;			/* of the next */
	WorkerPool *pool;
	CallbackPool *callbacks;
	bool		follow;			/* databases or settings changed */
	char	   *said_missing;	/* names of databases, as logged last */
	bool		said_role;		/* logged what is wrong with pg_net.username */
	Backoff		role;			/* when to look it up again */
} Launcher;

static void launcher_init(Launcher *launcher);
static void begin_pass(Launcher *launcher);
static void reload(Launcher *launcher);
static void follow_databases(Launcher *launcher);
static void set_keep_alive(Launcher *launcher, const DatabaseList *list);
static void say_missing(Launcher *launcher, const char *names);
static void start_needed(Launcher *launcher);
static bool find_role(Launcher *launcher, Oid *role);
static void say_role(Launcher *launcher, RoleState state);
static void rest(Launcher *launcher);

void
pgnet_launcher_init(void)
{
	BackgroundWorker launcher = {
		.bgw_name = "net launcher",
		.bgw_type = "net launcher",
		.bgw_flags = BGWORKER_SHMEM_ACCESS |
			BGWORKER_BACKEND_DATABASE_CONNECTION,
		.bgw_start_time = BgWorkerStart_RecoveryFinished,
		.bgw_restart_time = RESTART_SECONDS,
		.bgw_library_name = "pg_net",
		.bgw_function_name = "pgnet_launcher_main"
	};

	/* pg_upgrade starts servers that must not do anything by themselves */
	if (!IsBinaryUpgrade)
		RegisterBackgroundWorker(&launcher);
}

void
pgnet_launcher_main(Datum unused)
{
	Launcher	launcher;

	(void) unused;
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);

	launcher_init(&launcher);
	while (!ShutdownRequestPending)
	{
		begin_pass(&launcher);
		follow_databases(&launcher);
		start_needed(&launcher);
		rest(&launcher);
	}
	proc_exit(1);
}

/* Shared memory may be from an earlier launcher, which exited with an error. */
static void
launcher_init(Launcher *launcher)
{
	*launcher = (Launcher) {.follow = true};
	launcher->pass = AllocSetContextCreate(TopMemoryContext, "pg_net pass",
										   ALLOCSET_DEFAULT_SIZES);
	launcher->pool = pgnet_worker_pool_create(TopMemoryContext);
	launcher->callbacks = pgnet_callback_pool_create(TopMemoryContext);
	SetConfigOption("default_transaction_isolation", "read committed",
					PGC_SUSET, PGC_S_OVERRIDE);
	pgnet_launcher_claim();
	pgnet_prepared_set_horizon();
	if (!pgnet_launcher_has_probed_all())
	{
		DatabaseList list = pgnet_databases_read();

		pgnet_worker_pool_probe_all(launcher->pool, &list);
		pfree(list.databases);
	}
}

/* Interrupts, settings, memory, time. */
static void
begin_pass(Launcher *launcher)
{
	/* there is no statement to cancel */
	QueryCancelPending = false;
	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
		reload(launcher);
	/* otherwise the queue of invalidations could not be cut */
	if (catchupInterruptPending)
		ProcessCatchupInterrupt();
	MemoryContextReset(launcher->pass);
	MemoryContextSwitchTo(launcher->pass);
	launcher->now = pgnet_clock_now();
	launcher->due = DT_NOEND;
}

/* SIGHUP: try again what failed; with another pg_net.ttl, expire anew. */
static void
reload(Launcher *launcher)
{
	TimeOffset	ttl = pgnet_setting_ttl();

	ConfigReloadPending = false;
	ProcessConfigFile(PGC_SIGHUP);
	if (pgnet_setting_ttl() != ttl)
		pgnet_worker_pool_expire_now(launcher->pool);
	pgnet_worker_pool_forget_failures(launcher->pool);
	pgnet_callback_pool_forget_failures(launcher->callbacks);
	pgnet_backoff_succeeded(&launcher->role);
	launcher->said_role = false;
	launcher->follow = true;
}

/* Read pg_database, if it or the settings may have changed. */
static void
follow_databases(Launcher *launcher)
{
	DatabaseList list;

	if (pgnet_launcher_take_databases_changed())
	{
		pgnet_worker_pool_forget_failures(launcher->pool);
		pgnet_callback_pool_forget_failures(launcher->callbacks);
		launcher->follow = true;
	}
	if (!launcher->follow)
		return;
	launcher->follow = false;
	pgnet_worker_pool_follow_registry(launcher->pool);
	list = pgnet_databases_read();
	pgnet_worker_pool_release_dropped(launcher->pool, &list);
	set_keep_alive(launcher, &list);
}

/* Keep the workers of pg_net.database_name alive, and no others. */
static void
set_keep_alive(Launcher *launcher, const DatabaseList *list)
{
	List	   *names = pgnet_setting_database_names();
	List	   *kept = NIL;
	int			count;
	StringInfoData missing;
	ListCell   *cell;

	initStringInfo(&missing);
	foreach(cell, names)
	{
		const Database *database = pgnet_databases_find_name(list,
															 lfirst(cell));
		DatabaseState *state = NULL;

		if (database == NULL)
			appendStringInfo(&missing, "%s\"%s\"", missing.len ? ", " : "",
							 (char *) lfirst(cell));
		else
			state = pgnet_registry_acquire(database->oid);
		if (state != NULL)
			kept = lappend(kept, state);
	}
	count = pgnet_registry_count();
	for (int i = 0; i < count; i++)
	{
		DatabaseState *state = pgnet_registry_at(i);

		pgnet_database_set_keep_alive(state, list_member_ptr(kept, state));
	}
	say_missing(launcher, missing.data);
}

/* Log which databases are missing, unless that was logged last time. */
static void
say_missing(Launcher *launcher, const char *names)
{
	if (*names != '\0' &&
		(launcher->said_missing == NULL ||
		 strcmp(names, launcher->said_missing) != 0))
		ereport(WARNING,
				errcode(ERRCODE_UNDEFINED_DATABASE),
				errmsg("\"pg_net.database_name\" names databases that do not exist: %s",
					   names),
				errdetail("Each is served as soon as it is created. Other databases are not affected."));
	if (launcher->said_missing != NULL)
		pfree(launcher->said_missing);
	launcher->said_missing = MemoryContextStrdup(TopMemoryContext, names);
}

/* Start the processes that are needed; if there is no room, preempt others. */
static void
start_needed(Launcher *launcher)
{
	DatabaseList list;
	int			waiting = 0;
	bool		workers;
	bool		callbacks;
	bool		may_start;
	Oid			role;

	pgnet_worker_pool_follow_registry(launcher->pool);
	workers = pgnet_worker_pool_review(launcher->pool, launcher->now,
									   &launcher->due);
	callbacks = pgnet_callback_pool_review(launcher->callbacks, launcher->now,
										   &launcher->due);
	may_start = (workers || callbacks) && find_role(launcher, &role);
	if (may_start)
		list = pgnet_databases_read();
	if (may_start && workers)
		waiting = pgnet_worker_pool_start_needed(launcher->pool, &list, role,
												 launcher->now, &launcher->due);
	else
		pgnet_launcher_set_waiting(0);
	if (pgnet_launcher_is_short())
		pgnet_callback_pool_give_way();
	else if (may_start && callbacks)
		pgnet_callback_pool_start_needed(launcher->callbacks, &list, role,
										 launcher->now, &launcher->due);
	pgnet_preempt(launcher->pool, waiting, launcher->now, &launcher->due);
	if (!pgnet_worker_pool_is_probing(launcher->pool))
		pgnet_launcher_set_probed_all();
}

/*
 * The role that workers connect as; InvalidOid: the bootstrap superuser.  False
 * if pg_net.username cannot be used now.
 */
static bool
find_role(Launcher *launcher, Oid *role)
{
	const char *name = pgnet_setting_username;
	RoleState	state;

	*role = InvalidOid;
	if (name == NULL || *name == '\0')
		return true;
	if (pgnet_backoff_over(&launcher->role, launcher->now))
	{
		state = pgnet_role_find(name, role);
		if (state == PGNET_ROLE_USABLE)
		{
			pgnet_backoff_succeeded(&launcher->role);
			launcher->said_role = false;
			return true;
		}
		say_role(launcher, state);
		pgnet_backoff_failed(&launcher->role);
	}
	launcher->due = Min(launcher->due, launcher->role.until);
	return false;
}

/* Log once why no worker can start. */
static void
say_role(Launcher *launcher, RoleState state)
{
	if (!launcher->said_role)
		ereport(WARNING,
				errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
				errmsg("pg_net cannot start workers: role \"%s\" %s",
					   pgnet_setting_username,
					   state == PGNET_ROLE_MISSING ?
						   "does not exist" :
						   "is not permitted to log in"),
				errhint("Correct \"pg_net.username\" and reload, or fix the role."));
	launcher->said_role = true;
}

/*
 * Sleep until the latch is set, which also the postmaster does when a process
 * of ours starts or exits (bgw_notify_pid), or until something is due.
 */
static void
rest(Launcher *launcher)
{
	static uint32 wait_event = 0;
	int			events = WL_LATCH_SET | WL_EXIT_ON_PM_DEATH;
	long		wait_ms = -1;

	if (launcher->due != DT_NOEND)
	{
		events |= WL_TIMEOUT;
		wait_ms = TimestampDifferenceMilliseconds(pgnet_clock_now(),
												  launcher->due);
		wait_ms = Min(wait_ms, LONGEST_REST_MS);
	}
	/* what is due by the wall clock is found out anew when that was set */
	if (pgnet_clock_watch_fd() >= 0)
		events |= WL_SOCKET_READABLE;
	(void) WaitLatchOrSocket(MyLatch, events, pgnet_clock_watch_fd(), wait_ms,
							 pgnet_wait_event(&wait_event,
											  "PgNetLauncherMain"));
	ResetLatch(MyLatch);
	pgnet_clock_watch_rearm();
}
