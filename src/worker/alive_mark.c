/*
 * alive_mark.c -- a file that says that the worker lived when the server went
 * down.
 *
 * Runs in: workers.
 *
 * When another process crashes, or in an immediate shutdown, the postmaster
 * sends SIGQUIT to all processes; when the postmaster itself dies, they notice
 * and exit.  In these cases no request of ours is the cause, and the worker
 * leaves a file that says so.  A worker that crashes cannot leave one.
 */
#include "postgres.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/pmsignal.h"

#include "worker/alive_mark.h"

/* A directory for extensions, too, that is not in backups (basebackup.c). */
#define MARK "pg_stat_tmp/pg_net_%u.alive"

static char mark[MAXPGPATH];

static void quit(SIGNAL_ARGS);
static void exiting(int code, Datum arg);
static void leave_mark(void);

bool
pgnet_alive_mark_take(void)
{
	snprintf(mark, sizeof(mark), MARK, MyDatabaseId);
	return unlink(mark) == 0;
}

void
pgnet_alive_mark_begin(void)
{
	static bool begun = false;

	if (begun)
		return;
	begun = true;
	snprintf(mark, sizeof(mark), MARK, MyDatabaseId);
	on_proc_exit(exiting, (Datum) 0);
	pqsignal(SIGQUIT, quit);
}

/* SIGQUIT, as SignalHandlerForCrashExit(), which says why not exit(). */
static void
quit(SIGNAL_ARGS)
{
	leave_mark();
	_exit(2);
}

/* on_proc_exit callback. */
static void
exiting(int code, Datum arg)
{
	(void) code;
	(void) arg;
	if (!PostmasterIsAlive())
		leave_mark();
}

/* Called in a signal handler: async-signal-safe calls only. */
static void
leave_mark(void)
{
	int			fd = open(mark, O_CREAT | O_WRONLY, 0600);

	if (fd >= 0)
		close(fd);
}
