/*
 * tls_trust.h -- whose certificates are taken for good.
 *
 * Runs in: workers.  Nothing here throws; memory is from malloc().
 */
#ifndef PGNET_TLS_TRUST_H
#define PGNET_TLS_TRUST_H

#include "postgres.h"

#include <openssl/x509_vfy.h>

#include "lib/ilist.h"

#include "http/errors.h"
#include "http/tls.h"

/* The authorities of some settings, read when they are needed. */
typedef struct TlsTrust TlsTrust;

/* All that are in use. */
typedef struct TlsTrusts
{
	dlist_head	list;			/* of TlsTrust, the last used one first */
} TlsTrusts;

extern void pgnet_tls_trusts_init(TlsTrusts *trusts);

/* That of these settings, until it is released; NULL: no memory. */
extern TlsTrust *pgnet_tls_trust_use(TlsTrusts *trusts,
									 const TlsSettings *settings);
extern void pgnet_tls_trust_release(TlsTrust *trust);

/*
 * Another number whenever the files are other ones.  They are looked at, but
 * not more often than once a second, and what is in a directory once a minute.
 */
extern uint64 pgnet_tls_trust_generation(TlsTrust *trust);

/* The authorities of this generation; NULL, with *error: there are none. */
extern X509_STORE *pgnet_tls_trust_store(TlsTrust *trust, HttpError *error);

/*
 * An authority was not found, as OpenSSL says with this number.  Could its file
 * be opened at all?  If not, *error says so.
 */
extern bool pgnet_tls_trust_lacks_descriptors(long verdict, HttpError *error);

#endif							/* PGNET_TLS_TRUST_H */
