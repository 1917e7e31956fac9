/*
 * poller.h -- descriptors in one epoll set.
 *
 * Runs in: workers.  Nothing here throws.
 */
#ifndef PGNET_POLLER_H
#define PGNET_POLLER_H

#include "postgres.h"

#include <sys/epoll.h>

typedef struct Watch Watch;

/* Something became ready: bits of EPOLLIN, EPOLLOUT, EPOLLHUP, EPOLLERR... */
typedef void (*WatchReady) (Watch *watch, uint32 events);

/* One descriptor; who has it sets fd and ready, the rest is the poller's. */
struct Watch
{
	int			fd;
	WatchReady	ready;
	uint32		events;			/* that the kernel watches for */
	bool		registered;
};

/* How many events one look takes. */
#define PGNET_POLLER_EVENTS 256

typedef struct Poller
{
	int			epoll_fd;
	bool		complete;		/* the last look found all, and all know */
	uint64		nlooks;			/* that were taken */
	int			nready;			/* in ready, while pgnet_poller_run() runs */
	int			next;
	struct epoll_event ready[PGNET_POLLER_EVENTS];
} Poller;

/* Make an empty one; false, with errno, when the kernel will not. */
extern bool pgnet_poller_init(Poller *poller);

/*
 * Watch for these events from now on, level-triggered; 0: for nothing, not even
 * errors.  False, with errno, when the kernel will not.  A watch may be changed
 * or ended in any WatchReady.
 */
extern bool pgnet_watch_for(Poller *poller, Watch *watch, uint32 events);

/* Forget a watch, before its descriptor is closed; it may be freed then. */
extern void pgnet_watch_end(Poller *poller, Watch *watch);

/* Call whatever is ready now; how many. */
extern int	pgnet_poller_run(Poller *poller);

#endif							/* PGNET_POLLER_H */
