/*
 * descriptors.c -- how many file descriptors the network may use.
 *
 * Runs in: workers.
 *
 * If a request finds no descriptor, it and others have to wait (throttle.c), so
 * no more are sent than there are descriptors for.  PostgreSQL relies on
 * max_safe_fds of them (storage/file/fd.c); the rest of the process's limit is
 * ours.  If that is not enough, ReserveExternalFD() takes some of PostgreSQL's.
 */
#include "postgres.h"

#include <limits.h>
#include <sys/resource.h>

#include "storage/fd.h"

#include "worker/descriptors.h"

/* A request's socket, and an idle connection beside it. */
#define PER_REQUEST 2

/*
 * While its host is looked up; asked for, but not required, as lookups are
 * short.
 */
#define PER_LOOKUP 4

/* PostgreSQL lets extensions reserve a third of its own: left to others. */
#define LEFT_OVER 10

/*
 * For descriptors that nobody counts: latch, epoll, log, files of authorities,
 * and those that http/dial.c leaves to others.
 */
#define SLACK 50

static int	reserved = 0;		/* of PostgreSQL's */

static int	process_limit(int wanted);

int
pgnet_descriptors_for(int requests)
{
	int			wanted = requests * PER_REQUEST;
	int			limit = process_limit(requests * PER_LOOKUP + max_safe_fds +
									  SLACK);
	int			beyond = Max(limit - max_safe_fds - SLACK, 0);
	int			spare = Max(max_safe_fds / 3 - LEFT_OVER, 0);

	while (reserved < spare && beyond + reserved < wanted)
	{
		ReserveExternalFD();
		reserved++;
	}
	return Max(Min(wanted, beyond + reserved) / PER_REQUEST, 1);
}

/* The soft limit of this process, raised to wanted if the hard limit allows. */
static int
process_limit(int wanted)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return max_safe_fds;
	if (limit.rlim_cur < (rlim_t) wanted && limit.rlim_cur < limit.rlim_max)
	{
		struct rlimit raised = limit;

		raised.rlim_cur = Min((rlim_t) wanted, limit.rlim_max);
		if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
			limit = raised;
	}
	return (int) Min(limit.rlim_cur, (rlim_t) INT_MAX);
}
