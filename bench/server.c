/*
 * server.c -- answers GETs as fast as one thread can.
 *
 *   server MAX_SECONDS
 *
 * Listens on a port of 127.0.0.1 that it prints, and sends the same response
 * to each request without looking at more than where its header section ends.
 * nginx does more for a request; beside this server it shows sooner what the
 * client costs.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_CONNECTIONS 4096
#define EVENTS_PER_WAIT 256

/* as long as nginx's */
static const char response[] =
"HTTP/1.1 200 OK\r\n"
"Server: bench\r\n"
"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
"Content-Type: text/plain\r\n"
"Content-Length: 2\r\n"
"Connection: keep-alive\r\n"
"\r\n"
"ok";

/* What has come of a request that is not complete. */
typedef struct Connection
{
	size_t		length;
	char		bytes[8192];
} Connection;

static int	epoll_fd;

/* indexed by descriptor */
static Connection *connections[MAX_CONNECTIONS];

static void
fail(const char *what)
{
	fprintf(stderr, "server: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void
watch(int fd)
{
	struct epoll_event event = {.events = EPOLLIN,.data.fd = fd};

	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
		fail("epoll_ctl");
}

static int
listen_on_a_port(void)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)
	};
	socklen_t	length = sizeof(address);
	int			fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *) &address, length) != 0 ||
		listen(fd, 4096) != 0 ||
		getsockname(fd, (struct sockaddr *) &address, &length) != 0)
		fail("could not listen");
	printf("%d\n", ntohs(address.sin_port));
	fflush(stdout);
	return fd;
}

static void
accept_all(int listener)
{
	int			on = 1;
	int			fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0)
	{
		if (fd >= MAX_CONNECTIONS)
		{
			close(fd);
			continue;
		}
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		if (connections[fd] == NULL)
			connections[fd] = malloc(sizeof(Connection));
		if (connections[fd] == NULL)
			fail("malloc");
		connections[fd]->length = 0;
		watch(fd);
	}
}

/* Answers the requests that are complete, and keeps the rest. */
static bool
answer(int fd, Connection *connection)
{
	char	   *at = connection->bytes;
	char	   *end = at + connection->length;
	char	   *found;

	while ((found = memmem(at, end - at, "\r\n\r\n", 4)) != NULL)
	{
		at = found + 4;
		/* so short that it always goes out whole */
		if (send(fd, response, sizeof(response) - 1, MSG_NOSIGNAL) !=
			sizeof(response) - 1)
			return false;
	}
	connection->length = end - at;
	memmove(connection->bytes, at, connection->length);
	return connection->length < sizeof(connection->bytes);
}

static bool
receive(int fd)
{
	Connection *connection = connections[fd];
	ssize_t		got = recv(fd, connection->bytes + connection->length,
						   sizeof(connection->bytes) - connection->length, 0);

	if (got <= 0)
		return got < 0 && errno == EAGAIN;
	connection->length += got;
	return answer(fd, connection);
}

int
main(int argc, char **argv)
{
	int			listener;

	if (argc != 2 || atoi(argv[1]) < 1)
	{
		fputs("usage: server MAX_SECONDS\n", stderr);
		return 2;
	}
	alarm(atoi(argv[1]));
	epoll_fd = epoll_create1(0);
	listener = listen_on_a_port();
	watch(listener);

	for (;;)
	{
		struct epoll_event events[EVENTS_PER_WAIT];
		int			ready = epoll_wait(epoll_fd, events, EVENTS_PER_WAIT, -1);

		for (int i = 0; i < ready; i++)
		{
			int			fd = events[i].data.fd;

			if (fd == listener)
				accept_all(listener);
			else if (!receive(fd))
				close(fd);
		}
	}
}
