/*
 * stream.h -- bytes to and from another machine, without waiting: a socket, or
 * TLS on top of another stream.
 *
 * Runs in: workers.  Nothing here throws; memory is from malloc().
 */
#ifndef PGNET_STREAM_H
#define PGNET_STREAM_H

#include "postgres.h"

#include "http/errors.h"

/* What reading and writing return beside a number of bytes. */
#define PGNET_STREAM_END 0 /* reading: it was ended as it should be */
#define PGNET_STREAM_AGAIN (-1) /* not now */
#define PGNET_STREAM_FAILED (-2) /* and always will: see error */

typedef struct Stream Stream;

typedef struct StreamOperations
{
	/*
	 * Up to size bytes, of which there is one at least.  Who was told to write
	 * them again later has to begin with the same bytes then, and as many.
	 */
	ssize_t		(*read) (Stream *stream, void *bytes, size_t size);
	ssize_t		(*write) (Stream *stream, const void *bytes, size_t length);

	/* are there bytes to be read that the socket does not show? */
	bool		(*has_pending) (Stream *stream);

	/*
	 * Nothing is outstanding, and the socket became readable: is that no
	 * data, no end and no error (as tickets of TLS are)?
	 */
	bool		(*is_quiet) (Stream *stream);

	/* End it, as far as that can be done at once, and free it. */
	void		(*close) (Stream *stream);
} StreamOperations;

struct Stream
{
	const StreamOperations *operations;

	/*
	 * After PGNET_STREAM_AGAIN, the last one of whatever: it goes on when the
	 * socket can be written to.  Else, or besides, when it can be read.
	 */
	bool		wants_write;
	HttpError	error;			/* PGNET_PROBLEM_RECEIVE, _SEND or of TLS */
	uint64		bytes_out;		/* that the socket took */
	uint64		bytes_in;		/* that it gave */
};

#define pgnet_stream_read(stream, bytes, size) \
	((stream)->operations->read((stream), (bytes), (size)))
#define pgnet_stream_write(stream, bytes, length) \
	((stream)->operations->write((stream), (bytes), (length)))
#define pgnet_stream_has_pending(stream) \
	((stream)->operations->has_pending(stream))
#define pgnet_stream_is_quiet(stream) ((stream)->operations->is_quiet(stream))
#define pgnet_stream_close(stream) ((stream)->operations->close(stream))

/*
 * A stream on a socket that is connected, which is closed with it; NULL: no
 * memory.
 */
extern Stream *pgnet_socket_stream(int fd);

#endif							/* PGNET_STREAM_H */
