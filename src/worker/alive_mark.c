/*
 * alive_mark.c -- a file that says that the worker lived when the server went
 * down.
 *
 * Runs in: workers.
 *
 * When another process crashes, or the server is stopped at once, the
 * postmaster sends SIGQUIT to all that live; when the postmaster itself is
 * gone they see that and exit.  In both cases no request of ours is to blame,
 * and the worker leaves a file that says so.  It does not when it is the one
 * that crashed.
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

/* Not in backups (backup/basebackup.c), and open to extensions. */
#define MARK "pg_stat_tmp/pg_net_%u.alive"

static char mark[MAXPGPATH];

static void quit(SIGNAL_ARGS);
static void exiting(int code, Datum arg);
static void leave_mark(void);

/* Look for a mark. */
bool
pgnet_alive_mark_take(void)
{
	snprintf(mark, sizeof(mark), MARK, MyDatabaseId);
	return unlink(mark) == 0;
}

/* Be ready to leave one. */
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

/* SIGQUIT: as SignalHandlerForCrashExit(), which see for why not exit(). */
static void
quit(SIGNAL_ARGS)
{
	leave_mark();
	_exit(2);
}

/* on_proc_exit: is the postmaster gone? */
static void
exiting(int code, Datum arg)
{
	(void) code;
	(void) arg;
	if (!PostmasterIsAlive())
		leave_mark();
}

/* Make the file; nothing here that a signal handler may not do. */
static void
leave_mark(void)
{
	int			fd = open(mark, O_CREAT | O_WRONLY, 0600);

	if (fd >= 0)
		close(fd);
}
