/*
 * tls_contexts.h -- what OpenSSL makes connections from, by settings.
 *
 * Runs in: workers.  Nothing here throws; memory is from malloc().
 */
#ifndef PGNET_TLS_CONTEXTS_H
#define PGNET_TLS_CONTEXTS_H

#include "postgres.h"

#include <openssl/ssl.h>

#include "lib/ilist.h"

#include "http/tls_sessions.h"
#include "http/tls_trust.h"

/* That of some settings. */
typedef struct TlsContext
{
	dlist_node	node;			/* of TlsContexts */
	int			users;			/* connections made from it */
	uint64		identity;		/* see pgnet_tls_identity() */

	/* as in TlsSettings */
	TlsTrust   *trust;
	char	   *client_certificate;
	TlsVersion	min_version;
	bool		offers_http2;

	uint64		generation;		/* of the trust, when identity was new */
	SSL_CTX    *ssl;			/* NULL: nobody asked, or it cannot be had */
} TlsContext;

/* What OpenSSL calls while it makes a connection. */
typedef struct TlsCallbacks
{
	SSL_verify_cb verify;
	int			(*new_session) (SSL *ssl, SSL_SESSION *session);
} TlsCallbacks;

typedef struct TlsContexts
{
	dlist_head	list;			/* of TlsContext, the last used one first */
	int			count;
	uint64		last_identity;	/* that was given out */
	TlsTrusts	trusts;
	TlsSessions sessions;
	TlsCallbacks callbacks;
} TlsContexts;

extern void pgnet_tls_contexts_init(TlsContexts *contexts,
									const TlsCallbacks *callbacks);

/* Nothing may be used any more. */
extern void pgnet_tls_contexts_clear(TlsContexts *contexts);

/*
 * That of these settings, with its identity of this moment; to stay past the
 * next call it needs users.  NULL: no memory.
 */
extern TlsContext *pgnet_tls_contexts_find(TlsContexts *contexts,
										   const TlsSettings *settings);

/* A number that was never an identity, and never will be one again. */
extern uint64 pgnet_tls_contexts_new_identity(TlsContexts *contexts);

/* To make connections from; NULL, with *error: it cannot be had. */
extern SSL_CTX *pgnet_tls_context_ssl(TlsContexts *contexts,
									  TlsContext *context, HttpError *error);

#endif							/* PGNET_TLS_CONTEXTS_H */
