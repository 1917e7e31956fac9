/*
 * sockets.c -- libcurl's sockets in one epoll descriptor.
 *
 * Runs in: workers.
 *
 * libcurl lets go of a connection's socket when a transfer ends and asks for
 * it again when the next one starts; passing both on to the kernel costs a
 * quarter of the speed.  So we are lazy: a socket libcurl lets go of stays
 * registered, a change that changes nothing is skipped, and only the close
 * ends it (the kernel then forgets the descriptor by itself).  An event of a
 * socket nobody watches ends the registration.
 *
 * That holds for sockets we opened, whose close we see.  Others, such as the
 * pipe to a resolver thread, libcurl closes behind our back: they are removed
 * at once.
 */
#include "postgres.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/sockets.h"

/* How many events one look takes. */
#define MAX_EVENTS 256

typedef struct WatchedSocket
{
	uint8		wanted;			/* CURL_POLL_... of libcurl; 0: let go */
	uint8		registered;		/* CURL_POLL_... the kernel knows; 0: none */
	uint8		owner;
	bool		ours;			/* opened by pgnet_sockets_open() */
} WatchedSocket;

struct Sockets
{
	int			epoll_fd;
	int			max_fd;			/* descriptors from here on are refused */
	WatchedSocket *by_fd;
};

static void register_socket(Sockets *sockets, curl_socket_t fd, int what);
static void unregister_socket(Sockets *sockets, curl_socket_t fd);

/* Make an empty set. */
Sockets *
pgnet_sockets_create(MemoryContext context, int max_fd)
{
	Sockets    *sockets;

	/* may throw: the worker starts, and libcurl has not been called yet */
	sockets = MemoryContextAllocZero(context, sizeof(Sockets));
	sockets->max_fd = max_fd;
	/* may throw: as above */
	sockets->by_fd = MemoryContextAllocZero(context,
											sizeof(WatchedSocket) * max_fd);
	sockets->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	return sockets->epoll_fd < 0 ? NULL : sockets;
}

/* The descriptor that is readable when any socket is ready. */
int
pgnet_sockets_epoll_fd(const Sockets *sockets)
{
	return sockets->epoll_fd;
}

/* Follow what libcurl wants of a socket. */
void
pgnet_sockets_watch(Sockets *sockets, curl_socket_t fd, int what, int owner)
{
	WatchedSocket *socket;

	if (fd < 0 || fd >= sockets->max_fd)
		return;
	socket = &sockets->by_fd[fd];
	socket->owner = owner;
	if (what == CURL_POLL_REMOVE)
	{
		socket->wanted = 0;
		if (!socket->ours)
			unregister_socket(sockets, fd);
		return;
	}
	socket->wanted = what;
	if (socket->registered != what)
		register_socket(sockets, fd, what);
}

/* Collect what is ready. */
int
pgnet_sockets_poll(Sockets *sockets, SocketEvent *events, int max)
{
	struct epoll_event ready[MAX_EVENTS];
	int			nready = epoll_wait(sockets->epoll_fd, ready,
									Min(max, MAX_EVENTS), 0);
	int			nevents = 0;

	for (int i = 0; i < nready; i++)
	{
		curl_socket_t fd = ready[i].data.fd;
		int			bits = 0;

		if (sockets->by_fd[fd].wanted == 0)
		{
			unregister_socket(sockets, fd);
			continue;
		}
		if (ready[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
			bits |= CURL_CSELECT_IN;
		if (ready[i].events & EPOLLOUT)
			bits |= CURL_CSELECT_OUT;
		if (ready[i].events & EPOLLERR)
			bits |= CURL_CSELECT_ERR;
		events[nevents++] = (SocketEvent) {
			.fd = fd,
			.ready = bits,
			.owner = sockets->by_fd[fd].owner
		};
	}
	return nevents;
}

/* Open a socket for libcurl; libcurl makes it non-blocking. */
curl_socket_t
pgnet_sockets_open(void *arg, curlsocktype purpose,
				   struct curl_sockaddr *address)
{
	Sockets    *sockets = arg;
	int			fd = socket(address->family,
							address->socktype | SOCK_CLOEXEC,
							address->protocol);

	(void) purpose;
	if (fd < 0)
		return CURL_SOCKET_BAD;
	if (fd >= sockets->max_fd)
	{
		close(fd);
		return CURL_SOCKET_BAD;
	}
	sockets->by_fd[fd] = (WatchedSocket) {.ours = true};
	return fd;
}

/* Close a socket and forget it. */
int
pgnet_sockets_close(void *arg, curl_socket_t fd)
{
	Sockets    *sockets = arg;

	sockets->by_fd[fd] = (WatchedSocket) {0};
	return close(fd);
}

/* Make the kernel watch fd for what. */
static void
register_socket(Sockets *sockets, curl_socket_t fd, int what)
{
	WatchedSocket *socket = &sockets->by_fd[fd];
	int			operation = socket->registered ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
	struct epoll_event event = {.data.fd = fd};

	if (what & CURL_POLL_IN)
		event.events |= EPOLLIN;
	if (what & CURL_POLL_OUT)
		event.events |= EPOLLOUT;

	/* the kernel knows best: a number may have come to mean another socket */
	if (epoll_ctl(sockets->epoll_fd, operation, fd, &event) == 0 ||
		(errno == ENOENT &&
		 epoll_ctl(sockets->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0) ||
		(errno == EEXIST &&
		 epoll_ctl(sockets->epoll_fd, EPOLL_CTL_MOD, fd, &event) == 0))
		socket->registered = what;
}

/* Make the kernel forget fd; it may have done so already. */
static void
unregister_socket(Sockets *sockets, curl_socket_t fd)
{
	struct epoll_event unused = {0};

	(void) epoll_ctl(sockets->epoll_fd, EPOLL_CTL_DEL, fd, &unused);
	sockets->by_fd[fd].registered = 0;
}
