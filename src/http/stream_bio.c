/*
 * stream_bio.c -- a stream, as OpenSSL reads and writes it.
 *
 * Runs in: workers.
 *
 * OpenSSL reads on for as long as it is sent what is no data: tickets, updates
 * of keys, empty records.  A server that sends nothing else, as fast as it can,
 * would have the worker to itself.  So there is an end to what is read at once.
 */
#include "postgres.h"

#include "http/stream_bio.h"

/* What else a read costs, in bytes. */
#define READ_BYTES 512

static int	read_stream(BIO *bio, char *bytes, int size);
static int	write_stream(BIO *bio, const char *bytes, int length);
static long control(BIO *bio, int command, long number, void *pointer);
static int	create(BIO *bio);

/* Make the table of functions. */
BIO_METHOD *
pgnet_stream_bio_method(void)
{
	BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "pg_net stream");

	if (method == NULL ||
		BIO_meth_set_read(method, read_stream) != 1 ||
		BIO_meth_set_write(method, write_stream) != 1 ||
		BIO_meth_set_ctrl(method, control) != 1 ||
		BIO_meth_set_create(method, create) != 1)
	{
		BIO_meth_free(method);
		return NULL;
	}
	return method;
}

/* Make one. */
BIO *
pgnet_stream_bio_create(const BIO_METHOD *method, StreamBio *of)
{
	BIO		   *bio = BIO_new(method);

	if (bio != NULL)
		BIO_set_data(bio, of);
	return bio;
}

/* Begin a turn. */
void
pgnet_stream_bio_allow(StreamBio *bio, size_t allowance)
{
	bio->allowance = allowance;
	bio->blocked = false;
}

/* Read. */
static int
read_stream(BIO *bio, char *bytes, int size)
{
	StreamBio  *of = BIO_get_data(bio);
	ssize_t		got;

	BIO_clear_retry_flags(bio);
	if (size <= 0)
		return 0;
	of->blocked = false;
	if (of->allowance == 0)
	{
		BIO_set_retry_read(bio);
		return -1;
	}
	got = pgnet_stream_read(of->stream, bytes, (size_t) size);
	if (got > 0)
	{
		of->allowance -= Min(of->allowance, (size_t) got + READ_BYTES);
		return (int) got;
	}
	of->blocked = got == PGNET_STREAM_AGAIN;
	if (of->blocked)
		BIO_set_retry_read(bio);
	of->ended = got == PGNET_STREAM_END;
	return of->ended ? 0 : -1;
}

/* Write. */
static int
write_stream(BIO *bio, const char *bytes, int length)
{
	StreamBio  *of = BIO_get_data(bio);
	ssize_t		taken;

	BIO_clear_retry_flags(bio);
	if (length <= 0)
		return 0;
	taken = pgnet_stream_write(of->stream, bytes, (size_t) length);
	of->blocked = taken == PGNET_STREAM_AGAIN;
	if (taken > 0)
		return (int) taken;
	if (of->blocked)
		BIO_set_retry_write(bio);
	return -1;
}

/* What else OpenSSL asks for: nothing is kept here that had to be flushed. */
static long
control(BIO *bio, int command, long number, void *pointer)
{
	const StreamBio *of = BIO_get_data(bio);

	(void) number;
	(void) pointer;
	switch (command)
	{
		case BIO_CTRL_FLUSH:
			return 1;
		case BIO_CTRL_EOF:
			return of != NULL && of->ended;
		default:
			return 0;
	}
}

/* One is ready from the beginning. */
static int
create(BIO *bio)
{
	BIO_set_init(bio, 1);
	return 1;
}
