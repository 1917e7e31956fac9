/*
 * descriptors.c -- how many file descriptors the network may use.
 *
 * Runs in: workers.
 *
 * A request that finds no descriptor has to wait, and so do others with it
 * (throttle.c): better have no more in flight than there are descriptors for.
 * PostgreSQL counts on max_safe_fds of them (storage/file/fd.c); what the
 * process may open beyond is ours.  Where that is not enough, some of
 * PostgreSQL's are reserved, by its own accounting.
 */
#include "postgres.h"

#include <limits.h>
#include <sys/resource.h>

#include "storage/fd.h"

#include "worker/descriptors.h"

/* A request's socket, and an idle connection beside it. */
#define PER_REQUEST 2

/* While its host is looked up.  It is short, so they may share if need be. */
#define PER_LOOKUP 4

/* Of the third of its own that PostgreSQL lets others have, left for them. */
#define LEFT_OVER 10

/*
 * For what is open and in nobody's account: latch, epoll, log, libcurl's own,
 * and what sockets.c leaves to others.
 */
#define SLACK 50

static int	reserved = 0;		/* of PostgreSQL's */

static int	process_limit(int wanted);

/* Make room for requests. */
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

/* Descriptors this process may have, raised to wanted if that is allowed. */
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
