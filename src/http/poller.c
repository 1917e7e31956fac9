/*
 * poller.c -- descriptors in one epoll set.
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include <unistd.h>

#include "http/poller.h"

static bool change(Poller *poller, Watch *watch, int operation, uint32 events);
static void forget_event(Poller *poller, const Watch *watch);

bool
pgnet_poller_init(Poller *poller)
{
	*poller = (Poller) {.epoll_fd = epoll_create1(EPOLL_CLOEXEC)};
	return poller->epoll_fd >= 0;
}

/*
 * A descriptor that is watched for nothing is not in the set: epoll would tell
 * of its errors again and again.
 */
bool
pgnet_watch_for(Poller *poller, Watch *watch, uint32 events)
{
	if (events == watch->events)
		return true;
	if (events == 0)
	{
		pgnet_watch_end(poller, watch);
		return true;
	}
	return change(poller, watch,
				  watch->registered ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, events);
}

void
pgnet_watch_end(Poller *poller, Watch *watch)
{
	if (!watch->registered)
		return;
	(void) change(poller, watch, EPOLL_CTL_DEL, 0);
	watch->registered = false;
	watch->events = 0;
	forget_event(poller, watch);
}

/* What is found ready may be ended by what is called before it. */
int
pgnet_poller_run(Poller *poller)
{
	int			nready = epoll_wait(poller->epoll_fd, poller->ready,
									PGNET_POLLER_EVENTS, 0);

	poller->nlooks++;
	poller->complete = false;
	poller->nready = Max(nready, 0);
	for (poller->next = 0; poller->next < poller->nready;)
	{
		const struct epoll_event *event = &poller->ready[poller->next++];
		Watch	   *watch = event->data.ptr;

		if (watch != NULL)
			watch->ready(watch, event->events);
	}
	poller->nready = 0;
	poller->complete = nready >= 0 && nready < PGNET_POLLER_EVENTS;
	return Max(nready, 0);
}

/* Tell the kernel. */
static bool
change(Poller *poller, Watch *watch, int operation, uint32 events)
{
	struct epoll_event event = {.events = events, .data.ptr = watch};

	if (epoll_ctl(poller->epoll_fd, operation, watch->fd, &event) != 0)
		return false;
	watch->registered = true;
	watch->events = events;
	return true;
}

/* Let nobody be called for a watch any more. */
static void
forget_event(Poller *poller, const Watch *watch)
{
	for (int i = poller->next; i < poller->nready; i++)
		if (poller->ready[i].data.ptr == watch)
			poller->ready[i].data.ptr = NULL;
}
