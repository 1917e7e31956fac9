/*
 * tls_names.h -- whose certificate is it?
 *
 * Runs in: workers.  Nothing here throws; memory is OpenSSL's.
 */
#ifndef PGNET_TLS_NAMES_H
#define PGNET_TLS_NAMES_H

#include "postgres.h"

#include <openssl/x509.h>

#include "http/errors.h"

/* Is a host an address of IP?  Its bytes; how many they are, or 0. */
extern int	pgnet_tls_address(const char *host, unsigned char *address);

/* Room for an address. */
#define PGNET_TLS_ADDRESS_BYTES 16

/*
 * Is a certificate for a host, a name without a dot at its end or an address?
 * If not, *error says so.
 */
extern bool pgnet_tls_names(X509 *certificate, const char *host,
							HttpError *error);

#endif							/* PGNET_TLS_NAMES_H */
