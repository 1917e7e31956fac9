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
 * has closed the connection.  Whatever it is, but that there is room to send,
 * no other request may go out there, so we shut it down, and libcurl finds it
 * dead.
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

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
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

/* Local ports, and that of a socket without one. */
#define PORTS 65536
#define NO_PORT (-1)

/* What the end of a connection counts for among the bytes received. */
#define END 1

typedef struct WatchedSocket
{
	uint8		wanted;			/* CURL_POLL_... of libcurl; 0: let go */
	uint8		registered;		/* CURL_POLL_... the kernel knows; 0: none */
	bool		ours;			/* opened by pgnet_sockets_open() */
	bool		connected;		/* libcurl keeps it, and will say so if not */
	bool		ended;			/* and is of no use any more */
	bool		used;			/* a request went out on it */
	bool		asked;			/* the server was, for HTTP/2 */
	bool		shared;			/* HTTP/2: any number may */
	bool		paused;			/* the request on it did, since it went out */
	uint64		number;			/* if it is ours */
	int			port;			/* the local one; 0: not known yet */
	int			next;			/* one with the same local port, plus 1; or 0 */
	bool	   *answered;		/* whether data came, at the close; or NULL */
	uint64		received;		/* before that */
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
	int		   *by_port;		/* the first with a local port, plus 1; or 0 */
};

static bool is_for_others(Sockets *sockets, curl_socket_t fd);
static void read_limit(Sockets *sockets);
static bool are_free(const Sockets *sockets, int wanted);
static void register_socket(Sockets *sockets, curl_socket_t fd, int what);
static void unregister_socket(Sockets *sockets, curl_socket_t fd);
static void forget_lookup(Sockets *sockets, curl_socket_t fd);
static void let_go(Sockets *sockets, curl_socket_t fd);
static void look_at_idle(Sockets *sockets, curl_socket_t fd, uint32 events);
static uint64 bytes_received(curl_socket_t fd);
static void learn_port(Sockets *sockets, curl_socket_t fd);
static void forget_port(Sockets *sockets, curl_socket_t fd);
static bool leads_to(curl_socket_t fd, const char *ip, int port);

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
	sockets->by_port = calloc(PORTS, sizeof(int));
	sockets->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	return sockets->by_fd == NULL || sockets->by_port == NULL ||
			sockets->epoll_fd < 0 ?
		NULL :
		sockets;
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
	learn_port(sockets, fd);
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
	forget_port(sockets, fd);
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

	if (socket->answered != NULL)
		*socket->answered = bytes_received(fd) > socket->received + END;
	forget_port(sockets, fd);
	sockets->closed = true;
	sockets->connections -= socket->connected;
	sockets->ended -= socket->ended;
	sockets->by_fd[fd] = (WatchedSocket) {0};
	return close(fd);
}

/* Look among those with the local port. */
curl_socket_t
pgnet_sockets_find(const Sockets *sockets, int local_port,
				   const char *remote_ip, int remote_port)
{
	int			found;

	if (local_port <= 0 || local_port >= PORTS)
		return CURL_SOCKET_BAD;
	found = sockets->by_port[local_port];
	if (found != 0 && sockets->by_fd[found - 1].next == 0)
		return found - 1;
	/* connections to different hosts may have the same */
	for (; found != 0; found = sockets->by_fd[found - 1].next)
		if (leads_to(found - 1, remote_ip, remote_port))
			return found - 1;
	return CURL_SOCKET_BAD;
}

/* Learn its port, if libcurl had no reason yet to have it watched. */
void
pgnet_sockets_opened(Sockets *sockets, curl_socket_t fd)
{
	if (fd >= 0)
		learn_port(sockets, fd);
}

/* Note a request. */
bool
pgnet_sockets_use(Sockets *sockets, curl_socket_t fd, bool shared,
				  bool wants_http2)
{
	WatchedSocket *socket = &sockets->by_fd[fd];
	bool		used = socket->used;

	if (!used)
		socket->asked = wants_http2;
	socket->used = true;
	socket->shared = shared;
	socket->paused = false;
	return used;
}

/* Was it? */
bool
pgnet_sockets_asked_for_http2(const Sockets *sockets, curl_socket_t fd)
{
	return sockets->by_fd[fd].asked;
}

/* What comes on it stays there. */
void
pgnet_sockets_pause(Sockets *sockets, curl_socket_t fd)
{
	sockets->by_fd[fd].paused = true;
}

/* Note what has come so far, and whom to tell. */
void
pgnet_sockets_tell(Sockets *sockets, curl_socket_t fd, bool *answered)
{
	sockets->by_fd[fd].answered = answered;
	sockets->by_fd[fd].received = bytes_received(fd);
}

/* Tell nobody, if it still is the one. */
void
pgnet_sockets_tell_not(Sockets *sockets, curl_socket_t fd,
					   const bool *answered)
{
	if (fd >= 0 && sockets->by_fd[fd].answered == answered)
		sockets->by_fd[fd].answered = NULL;
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
	forget_port(sockets, fd);
	sockets->closed = true;
	*socket = (WatchedSocket) {0};
}

/*
 * An event of a socket nobody watches.  There is room to send: libcurl had
 * waited for that last, and then found the whole response there.  From now on
 * watch for what comes.  Else something came.  Over HTTP/2 servers say things
 * at any time: watch for the end alone.  What belongs to a transfer that pauses
 * stays; libcurl will have it watched again.  One without a port is never used
 * for another request, so no other can be harmed.
 */
static void
look_at_idle(Sockets *sockets, curl_socket_t fd, uint32 events)
{
	WatchedSocket *socket = &sockets->by_fd[fd];
	struct epoll_event end = {.events = EPOLLRDHUP, .data.fd = fd};

	if (events == EPOLLOUT)
	{
		register_socket(sockets, fd, CURL_POLL_IN);
		return;
	}
	if (socket->connected && socket->shared &&
		!(events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)))
	{
		(void) epoll_ctl(sockets->epoll_fd, EPOLL_CTL_MOD, fd, &end);
		socket->registered = 0;
		return;
	}
	unregister_socket(sockets, fd);
	if (socket->paused || socket->port == NO_PORT)
		return;
	if (socket->connected && !socket->shared)
		(void) shutdown(fd, SHUT_RDWR);
	if (socket->connected && !socket->ended)
		sockets->ended++;
	socket->ended = socket->connected;
}

/* How many bytes ever came; the end counts as one. */
static uint64
bytes_received(curl_socket_t fd)
{
	struct tcp_info info = {0};
	socklen_t	length = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0)
		return 0;
	return info.tcpi_bytes_received;
}

/* Put a socket of ours that has a local port where it is found by that. */
static void
learn_port(Sockets *sockets, curl_socket_t fd)
{
	WatchedSocket *socket = &sockets->by_fd[fd];
	struct sockaddr_storage local = {0};
	socklen_t	length = sizeof(local);
	int			port = NO_PORT;

	if (!socket->ours || socket->port != 0)
		return;
	if (getsockname(fd, (struct sockaddr *) &local, &length) == 0)
	{
		if (local.ss_family == AF_INET)
			port = ntohs(((struct sockaddr_in *) &local)->sin_port);
		else if (local.ss_family == AF_INET6)
			port = ntohs(((struct sockaddr_in6 *) &local)->sin6_port);
	}
	if (port == 0)
		return;
	socket->port = port;
	if (port == NO_PORT)
		return;
	socket->next = sockets->by_port[port];
	sockets->by_port[port] = fd + 1;
}

/* Take a socket from there. */
static void
forget_port(Sockets *sockets, curl_socket_t fd)
{
	WatchedSocket *socket = &sockets->by_fd[fd];
	int		   *place;

	if (socket->port <= 0)
		return;
	place = &sockets->by_port[socket->port];
	while (*place != 0 && *place != fd + 1)
		place = &sockets->by_fd[*place - 1].next;
	if (*place != 0)
		*place = socket->next;
	socket->port = 0;
	socket->next = 0;
}

/* Is its other end this address and port? */
static bool
leads_to(curl_socket_t fd, const char *ip, int port)
{
	struct sockaddr_storage peer = {0};
	socklen_t	length = sizeof(peer);
	const struct sockaddr_in *v4 = (struct sockaddr_in *) &peer;
	const struct sockaddr_in6 *v6 = (struct sockaddr_in6 *) &peer;
	struct in6_addr address;

	if (getpeername(fd, (struct sockaddr *) &peer, &length) != 0)
		return false;
	if (peer.ss_family == AF_INET)
		return ntohs(v4->sin_port) == port &&
			inet_pton(AF_INET, ip, &address) == 1 &&
			memcmp(&address, &v4->sin_addr, sizeof(v4->sin_addr)) == 0;
	return peer.ss_family == AF_INET6 && ntohs(v6->sin6_port) == port &&
		inet_pton(AF_INET6, ip, &address) == 1 &&
		memcmp(&address, &v6->sin6_addr, sizeof(address)) == 0;
}
