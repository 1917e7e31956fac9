/*
 * socket_stream.c -- the bytes of a socket.
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include <sys/socket.h>
#include <unistd.h>

#include "http/stream.h"

typedef struct SocketStream
{
	Stream		stream;			/* first */
	int			fd;
} SocketStream;

static ssize_t read_socket(Stream *stream, void *bytes, size_t size);
static ssize_t write_socket(Stream *stream, const void *bytes, size_t length);
static ssize_t fail(Stream *stream, HttpProblem problem, const char *what);
static bool has_pending(Stream *stream);
static bool is_quiet(Stream *stream);
static void close_socket(Stream *stream);
static int	socket_of(const Stream *stream);
static ssize_t receive(int fd, void *bytes, size_t size, int flags);
static bool is_later(int error);

static const StreamOperations operations = {
	.read = read_socket,
	.write = write_socket,
	.has_pending = has_pending,
	.is_quiet = is_quiet,
	.close = close_socket
};

/* Make one. */
Stream *
pgnet_socket_stream(int fd)
{
	SocketStream *made = calloc(1, sizeof(SocketStream));

	if (made == NULL)
		return NULL;
	made->stream.operations = &operations;
	made->fd = fd;
	return (Stream *) made;
}

/* Read what there is. */
static ssize_t
read_socket(Stream *stream, void *bytes, size_t size)
{
	ssize_t		got;

	Assert(size > 0);
	got = receive(socket_of(stream), bytes, size, 0);
	if (got < 0 && is_later(errno))
	{
		stream->wants_write = false;
		return PGNET_STREAM_AGAIN;
	}
	if (got < 0)
		return fail(stream, PGNET_PROBLEM_RECEIVE, "Recv");
	stream->bytes_in += got;
	return got == 0 ? PGNET_STREAM_END : got;
}

/* Write what there is room for; that nobody reads any more is no signal. */
static ssize_t
write_socket(Stream *stream, const void *bytes, size_t length)
{
	ssize_t		taken;

	Assert(length > 0);
	do
	{
		taken = send(socket_of(stream), bytes, length,
					 MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (taken < 0 && errno == EINTR);
	if (taken < 0 && is_later(errno))
	{
		stream->wants_write = true;
		return PGNET_STREAM_AGAIN;
	}
	if (taken < 0)
		return fail(stream, PGNET_PROBLEM_SEND, "Send");
	stream->bytes_out += taken;
	return taken;
}

/* Keep what errno says. */
static ssize_t
fail(Stream *stream, HttpProblem problem, const char *what)
{
	int			error = errno;

	if (stream->error.problem == PGNET_NO_PROBLEM)
		stream->error.system_errno = error;
	pgnet_error_set(&stream->error, problem, "%s failure: %s", what,
					strerror(error));
	return PGNET_STREAM_FAILED;
}

/* The socket shows all of them. */
static bool
has_pending(Stream *stream)
{
	(void) stream;
	return false;
}

/* Is there nothing at all? */
static bool
is_quiet(Stream *stream)
{
	char		byte;

	return receive(socket_of(stream), &byte, 1, MSG_PEEK) < 0 &&
		is_later(errno);
}

/* End it. */
static void
close_socket(Stream *stream)
{
	close(socket_of(stream));
	free(stream);
}

/* Whose bytes are they? */
static int
socket_of(const Stream *stream)
{
	return ((const SocketStream *) stream)->fd;
}

/* recv(), whatever interrupts it. */
static ssize_t
receive(int fd, void *bytes, size_t size, int flags)
{
	ssize_t		got;

	do
	{
		got = recv(fd, bytes, size, flags | MSG_DONTWAIT);
	} while (got < 0 && errno == EINTR);
	return got;
}

/* Does this error mean that it is to be tried again later? */
static bool
is_later(int error)
{
	return error == EAGAIN || error == EWOULDBLOCK;
}
