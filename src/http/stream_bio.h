/*
 * stream_bio.h -- a stream, as OpenSSL reads and writes it.
 *
 * Runs in: workers.  Nothing here throws; memory is OpenSSL's.
 */
#ifndef PGNET_STREAM_BIO_H
#define PGNET_STREAM_BIO_H

#include "postgres.h"

#include <openssl/bio.h>

#include "http/stream.h"

typedef struct StreamBio
{
	Stream	   *stream;
	size_t		allowance;		/* how much this turn may still read */
	bool		blocked;		/* the stream's last word was "again" */
	bool		ended;			/* or its end */
} StreamBio;

/* How to read and write any of them, to be freed with BIO_meth_free(). */
extern BIO_METHOD *pgnet_stream_bio_method(void);

/* Have OpenSSL read and write one, which has to stay; NULL: no memory. */
extern BIO *pgnet_stream_bio_create(const BIO_METHOD *method, StreamBio *of);

/*
 * Before OpenSSL is called: it may read so many bytes until it returns, fewer
 * if it reads them one by one.
 */
extern void pgnet_stream_bio_allow(StreamBio *bio, size_t allowance);

#endif							/* PGNET_STREAM_BIO_H */
