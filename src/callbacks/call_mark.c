/*
 * call_mark.c -- a file that says which call was cut off by others.
 *
 * Runs in: the process of the callbacks.
 *
 * After a death, a call is written down before it is made (turn.c): if this
 * process dies in it, that death is charged already.  But when the server is
 * shut down, when another process crashes, or while the database is changed,
 * the call is not the cause, and its row cannot be changed any more.  Then the
 * process leaves this file, and the next one takes the death back.
 */
#include "postgres.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/pmsignal.h"

#include "callbacks/call_mark.h"

/* A directory for extensions, too, that is not in backups (basebackup.c). */
#define MARK "pg_stat_tmp/pg_net_%u.call"

static char mark[MAXPGPATH];

/* The response with a death that is written down, if there is one. */
static volatile sig_atomic_t is_set = false;
static int64 charged_id;

/* SIGTERM came from the postmaster. */
static volatile sig_atomic_t shut_down = false;

static void quit(SIGNAL_ARGS);
static void exiting(int code, Datum database);
static void leave_mark(void);

bool
pgnet_call_mark_take(int64 *id)
{
	int			fd;
	bool		whole;

	snprintf(mark, sizeof(mark), MARK, MyDatabaseId);
	fd = open(mark, O_RDONLY);
	if (fd < 0)
		return false;
	whole = read(fd, id, sizeof(*id)) == sizeof(*id);
	close(fd);
	return unlink(mark) == 0 && whole;
}

void
pgnet_call_mark_begin(DatabaseState *database)
{
	snprintf(mark, sizeof(mark), MARK, MyDatabaseId);
	before_shmem_exit(exiting, PointerGetDatum(database));
	pqsignal(SIGQUIT, quit);
}

void
pgnet_call_mark_set(int64 id)
{
	is_set = false;
	charged_id = id;
	pg_compiler_barrier();
	is_set = true;
}

void
pgnet_call_mark_clear(int64 id)
{
	if (id == charged_id)
		is_set = false;
}

void
pgnet_call_mark_shut_down(void)
{
	shut_down = true;
}

/* SIGQUIT, as SignalHandlerForCrashExit(), which says why not exit(). */
static void
quit(SIGNAL_ARGS)
{
	leave_mark();
	_exit(2);
}

/* before_shmem_exit callback. */
static void
exiting(int code, Datum arg)
{
	DatabaseState *database = (DatabaseState *) DatumGetPointer(arg);

	(void) code;
	if (shut_down || !PostmasterIsAlive() ||
		pgnet_database_snapshot(database).workers_blocked)
		leave_mark();
}

/* Called in a signal handler: async-signal-safe calls only. */
static void
leave_mark(void)
{
	int			fd;

	if (!is_set)
		return;
	fd = open(mark, O_CREAT | O_TRUNC | O_WRONLY, 0600);
	if (fd < 0)
		return;
	/* one that is not whole is not taken */
	if (write(fd, &charged_id, sizeof(charged_id)) < 0)
		(void) unlink(mark);
	close(fd);
}
