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
 * socket nobody watches ends the registration; mostly it is that the server
 * has closed the connection, which libcurl learns when it looks for one.
 *
 * That holds for the sockets of connections, whose close we see.  Others
 * libcurl closes behind our back, so they are removed at once: those of name
 * lookups, and up to 7.88 those of attempts to connect that failed
 * (lib/cf-socket.c, cf_socket_close()).  Where it opens one with the same
 * number before it lets go of the old one, it takes it for watched.
 *
 * The last descriptors of the process are not for connections: PostgreSQL
 * opens tables, OpenSSL authorities, and the threads that look names up open
 * files and sockets, all of which would fail in ways that hide the reason.
 */
#include "postgres.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/sockets.h"

/* How many events one look takes. */
#define MAX_EVENTS 256

/* Descriptors that connections leave to others. */
#define LEFT_TO_OTHERS 16

/* A lookup has a pair of sockets to its thread, which opens two at most. */
#define PAIR_OF_LOOKUP 2
#define OPENED_BY_LOOKUP 2

/* So many must be free, or descriptors are short. */
#define FEW_DESCRIPTORS 8

/* So many connections closed by servers are worth closing at our end. */
#define MANY_ENDED 16

/* What PostgreSQL may have opened since we opened our highest one. */
#define OPENED_BY_OTHERS 64

typedef struct WatchedSocket
{
	uint8		wanted;			/* CURL_POLL_... of libcurl; 0: let go */
	uint8		registered;		/* CURL_POLL_... the kernel knows; 0: none */
	bool		ours;			/* opened by pgnet_sockets_open() */
	bool		connected;		/* libcurl keeps it, and will say so if not */
	bool		ended;			/* and the server has closed it meanwhile */
	uint64		number;			/* if it is ours */
} WatchedSocket;

struct Sockets
{
	int			epoll_fd;
	int			max_fd;			/* descriptors from here on are refused */
	int			limit;			/* the kernel's own, as read last */
	int			highest;		/* of all descriptors we have seen */
	int			lookups;		/* registered sockets that are not ours */
	uint64		opened;			/* how many ever were */
	bool		closed;			/* some were */
	int			connections;	/* that are open */
	int			ended;			/* of those: closed by the server */
	WatchedSocket *by_fd;
};

static bool is_for_others(Sockets *sockets, curl_socket_t fd);
static void read_limit(Sockets *sockets);
static bool are_free(const Sockets *sockets, int wanted);
static void register_socket(Sockets *sockets, curl_socket_t fd, int what);
static void unregister_socket(Sockets *sockets, curl_socket_t fd);
static void forget_lookup(Sockets *sockets, curl_socket_t fd);
static void let_go(Sockets *sockets, curl_socket_t fd);
static void look_at_idle(Sockets *sockets, curl_socket_t fd, uint32 events);

/* Make an empty set. */
Sockets *
pgnet_sockets_create(MemoryContext context, int max_fd)
{
	Sockets    *sockets;

	/* may throw: the worker starts, and libcurl has not been called yet */
	sockets = MemoryContextAllocZero(context, sizeof(Sockets));
	sockets->max_fd = max_fd;
	/* of which only what is used takes memory */
	sockets->by_fd = calloc(max_fd, sizeof(WatchedSocket));
	sockets->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	return sockets->by_fd == NULL || sockets->epoll_fd < 0 ? NULL : sockets;
}

/* The descriptor that is readable when any socket is ready. */
int
pgnet_sockets_epoll_fd(const Sockets *sockets)
{
	return sockets->epoll_fd;
}

/* Follow what libcurl wants of a socket. */
void
pgnet_sockets_watch(Sockets *sockets, curl_socket_t fd, int what)
{
	WatchedSocket *socket;

	if (fd < 0 || fd >= sockets->max_fd)
		return;
	socket = &sockets->by_fd[fd];
	if (what == CURL_POLL_REMOVE)
	{
		socket->wanted = 0;
		if (!socket->connected)
			let_go(sockets, fd);
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
			look_at_idle(sockets, fd, ready[i].events);
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
			.ready = bits
		};
	}
	return nevents;
}

/* Open a socket for libcurl; libcurl makes it non-blocking. */
curl_socket_t
pgnet_sockets_open(Sockets *sockets, const struct curl_sockaddr *address)
{
	int			fd = socket(address->family,
							address->socktype | SOCK_CLOEXEC,
							address->protocol);
	uint8		wanted;

	if (fd < 0)
	{
		/* perhaps it is another limit by now */
		sockets->limit = 0;
		return CURL_SOCKET_BAD;
	}
	if (is_for_others(sockets, fd))
	{
		close(fd);
		errno = EMFILE;
		return CURL_SOCKET_BAD;
	}
	forget_lookup(sockets, fd);
	wanted = sockets->by_fd[fd].wanted;
	sockets->by_fd[fd] = (WatchedSocket) {
		.wanted = wanted,
		.ours = true,
		.number = ++sockets->opened,
	};
	if (wanted != 0)
		register_socket(sockets, fd, wanted);
	sockets->highest = Max(sockets->highest, fd);
	return fd;
}

/* Close a socket and forget it. */
int
pgnet_sockets_close(void *arg, curl_socket_t fd)
{
	Sockets    *sockets = arg;
	const WatchedSocket *socket = &sockets->by_fd[fd];

	sockets->closed = true;
	sockets->connections -= socket->connected;
	sockets->ended -= socket->ended;
	sockets->by_fd[fd] = (WatchedSocket) {0};
	return close(fd);
}

/* Which one is it? */
uint64
pgnet_sockets_number(const Sockets *sockets, curl_socket_t fd)
{
	return sockets->by_fd[fd].number;
}

/* Were some closed? */
bool
pgnet_sockets_were_closed(Sockets *sockets)
{
	bool		closed = sockets->closed;

	sockets->closed = false;
	return closed;
}

/* Are there more than some that are of no use, and not many others? */
bool
pgnet_sockets_have_ended(const Sockets *sockets)
{
	return sockets->ended >= MANY_ENDED &&
		sockets->ended >= sockets->connections / 2;
}

/* Shut connections down; libcurl will close them. */
void
pgnet_sockets_shut_down_idle(Sockets *sockets, const Networks *networks)
{
	for (int fd = 0; fd <= sockets->highest; fd++)
	{
		WatchedSocket *watched = &sockets->by_fd[fd];
		struct sockaddr_storage peer;
		socklen_t	length = sizeof(peer);

		if (watched->connected && watched->wanted == 0 &&
			getpeername(fd, (struct sockaddr *) &peer, &length) == 0 &&
			pgnet_networks_contain(networks, (struct sockaddr *) &peer))
			(void) shutdown(fd, SHUT_RDWR);
	}
}

/* Is a socket open? */
bool
pgnet_sockets_is_open(const Sockets *sockets, curl_socket_t fd)
{
	return sockets->by_fd[fd].ours;
}

/*
 * Is there room for a lookup, besides what those under way may open yet?  The
 * kernel gives out the lowest number that is free, so far below the limit
 * nothing has to be counted.
 */
bool
pgnet_sockets_lookup_fits(Sockets *sockets)
{
	int			wanted = LEFT_TO_OTHERS + PAIR_OF_LOOKUP +
		OPENED_BY_LOOKUP * (sockets->lookups + 1);

	read_limit(sockets);
	return sockets->highest + wanted + OPENED_BY_OTHERS < sockets->limit ||
		are_free(sockets, wanted);
}

/* Are descriptors short, of this process or of the whole system? */
bool
pgnet_sockets_are_short(Sockets *sockets)
{
	read_limit(sockets);
	return !are_free(sockets, FEW_DESCRIPTORS);
}

/* Is a descriptor among the last ones?  Asks the kernel only if it may be. */
static bool
is_for_others(Sockets *sockets, curl_socket_t fd)
{
	int			kept = LEFT_TO_OTHERS + OPENED_BY_LOOKUP * sockets->lookups;

	if (fd < sockets->limit - kept)
		return false;
	read_limit(sockets);
	return fd >= sockets->limit - kept;
}

/* See how many descriptors this process may have now. */
static void
read_limit(Sockets *sockets)
{
	struct rlimit limit;

	sockets->limit = sockets->max_fd;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
		sockets->limit = Min(limit.rlim_cur, (rlim_t) sockets->max_fd);
}

/*
 * Can so many be opened?  Counts those that are open, since trying would take
 * them from the threads that look names up.
 */
static bool
are_free(const Sockets *sockets, int wanted)
{
	DIR		   *list = opendir("/proc/self/fd");
	int			left = sockets->limit;

	if (list == NULL)
		return errno != EMFILE && errno != ENFILE;
	/* ".", ".." and its own are among them: no matter */
	while (left >= wanted && readdir(list) != NULL)
		left--;
	closedir(list);
	return left >= wanted;
}

/* Make the kernel watch fd for what. */
static void
register_socket(Sockets *sockets, curl_socket_t fd, int what)
{
	WatchedSocket *socket = &sockets->by_fd[fd];
	int			operation = socket->registered ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
	struct epoll_event event = {.data.fd = fd};

	if (what & CURL_POLL_IN)
		event.events |= EPOLLIN | EPOLLRDHUP;
	if (what & CURL_POLL_OUT)
		event.events |= EPOLLOUT;

	/* the kernel knows best: a number may have come to mean another socket */
	if (epoll_ctl(sockets->epoll_fd, operation, fd, &event) == 0 ||
		(errno == ENOENT &&
		 epoll_ctl(sockets->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0) ||
		(errno == EEXIST &&
		 epoll_ctl(sockets->epoll_fd, EPOLL_CTL_MOD, fd, &event) == 0))
	{
		if (!socket->ours && !socket->registered)
			sockets->lookups++;
		sockets->highest = Max(sockets->highest, fd);
		socket->registered = what;
	}
}

/* Make the kernel forget fd; it may have done so already. */
static void
unregister_socket(Sockets *sockets, curl_socket_t fd)
{
	struct epoll_event unused = {0};

	(void) epoll_ctl(sockets->epoll_fd, EPOLL_CTL_DEL, fd, &unused);
	forget_lookup(sockets, fd);
	sockets->by_fd[fd].registered = 0;
}

/* The socket that fd was is not watched any more: was it a lookup's? */
static void
forget_lookup(Sockets *sockets, curl_socket_t fd)
{
	if (sockets->by_fd[fd].registered && !sockets->by_fd[fd].ours)
		sockets->lookups--;
}

/*
 * libcurl lets go of a socket that was not connected.  If it is still open, it
 * is a connection now.
 */
static void
let_go(Sockets *sockets, curl_socket_t fd)
{
	WatchedSocket *socket = &sockets->by_fd[fd];

	socket->connected = socket->ours && fcntl(fd, F_GETFD) >= 0;
	sockets->connections += socket->connected;
	if (socket->connected)
		return;
	unregister_socket(sockets, fd);
	sockets->closed = true;
	*socket = (WatchedSocket) {0};
}

/*
 * Something came on a socket nobody watches.  What is not the end may be TLS's
 * farewell before it: watch for that alone.
 */
static void
look_at_idle(Sockets *sockets, curl_socket_t fd, uint32 events)
{
	WatchedSocket *socket = &sockets->by_fd[fd];
	struct epoll_event end = {.events = EPOLLRDHUP, .data.fd = fd};

	if (socket->connected && !(events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)))
	{
		(void) epoll_ctl(sockets->epoll_fd, EPOLL_CTL_MOD, fd, &end);
		socket->registered = 0;
		return;
	}
	unregister_socket(sockets, fd);
	if (socket->connected && !socket->ended)
		sockets->ended++;
	socket->ended = socket->connected;
}
