/*
 * tls.h -- TLS, by OpenSSL, on top of another stream.
 *
 * Runs in: workers.  Nothing here throws; memory is from malloc().
 */
#ifndef PGNET_TLS_H
#define PGNET_TLS_H

#include "postgres.h"

#include "exchange.h"
#include "http/stream.h"

/* How to talk; all strings belong to whoever made it. */
typedef struct TlsSettings
{
	/* whom to trust; both "": the system's authorities */
	const char *ca_file;
	const char *ca_directory;
	const char *ca_certificates;	/* PEM, in place of both; NULL: of none */
	const char *client_certificate; /* with its key, PEM; NULL: none */
	TlsVersion	min_version;
	bool		offers_http2;
} TlsSettings;

/* What is read from files, and sessions to go on with. */
typedef struct TlsStore TlsStore;

typedef enum TlsStatus
{
	PGNET_TLS_READY,
	PGNET_TLS_AGAIN,			/* when the socket is ready: see wants_write */
	PGNET_TLS_FAILED			/* see error of the stream */
} TlsStatus;

/* NULL: no memory. */
extern TlsStore *pgnet_tls_store_create(void);
extern void pgnet_tls_store_free(TlsStore *store);

/*
 * A number that stands for settings: the same as long as they, and the files
 * that they name, are the same.  For who may share a connection.
 */
extern uint64 pgnet_tls_identity(TlsStore *store, const TlsSettings *settings);

/*
 * Begin TLS with a host, a name or an address without brackets, at port, on a
 * stream, which is closed with the new one.  route: sessions are gone on with
 * where it is the same.  NULL, with *error, when that fails; the stream stays
 * the caller's then.
 */
extern Stream *pgnet_tls_open(TlsStore *store, const TlsSettings *settings,
							  Stream *below, const char *host, int port,
							  const char *route, HttpError *error);

/* Go on with the handshake. */
extern TlsStatus pgnet_tls_handshake(Stream *stream);

/* After it: was HTTP/2 agreed (RFC 9113, section 3.2)? */
extern bool pgnet_tls_speaks_http2(const Stream *stream);

#endif							/* PGNET_TLS_H */
