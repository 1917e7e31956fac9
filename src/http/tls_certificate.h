/*
 * tls_certificate.h -- our own certificate, for servers that ask for one.
 *
 * Runs in: workers.  Nothing here throws; memory is OpenSSL's.
 */
#ifndef PGNET_TLS_CERTIFICATE_H
#define PGNET_TLS_CERTIFICATE_H

#include "postgres.h"

#include <openssl/ssl.h>

#include "http/errors.h"

/*
 * Show a certificate, PEM, with its chain and its key in any order; if that
 * cannot be, *error says so.
 */
extern bool pgnet_tls_certificate_use(SSL_CTX *ssl, const char *certificate,
									  HttpError *error);

/* For OpenSSL, which would else ask whoever sits at the terminal. */
extern int	pgnet_tls_no_passphrase(char *passphrase, int size, int writing,
									void *arg);

#endif							/* PGNET_TLS_CERTIFICATE_H */
