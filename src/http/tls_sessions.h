/*
 * tls_sessions.h -- sessions of TLS to go on with.
 *
 * Runs in: workers.  Nothing here throws; memory is from malloc().
 */
#ifndef PGNET_TLS_SESSIONS_H
#define PGNET_TLS_SESSIONS_H

#include "postgres.h"

#include <openssl/ssl.h>

#include "lib/ilist.h"

/* So many lists of sessions there are, by the hash of their peer. */
#define PGNET_TLS_SESSION_LISTS 256

/* With whom a session was made, and by what its certificate was verified. */
typedef struct TlsPeer
{
	uint64		identity;		/* see pgnet_tls_identity() */
	const char *host;			/* the verified one */
	int			port;
	const char *route;
} TlsPeer;

typedef struct TlsSessions
{
	dlist_head	by_age;			/* the last one first */
	dlist_head	lists[PGNET_TLS_SESSION_LISTS]; /* the same */
	int			count;
} TlsSessions;

extern void pgnet_tls_sessions_init(TlsSessions *sessions);
extern void pgnet_tls_sessions_clear(TlsSessions *sessions);

/*
 * Keep one whose certificate was verified at that time of
 * pgnet_monotonic_us(); false: it is not kept, and stays the caller's.
 */
extern bool pgnet_tls_sessions_add(TlsSessions *sessions, const TlsPeer *peer,
								   SSL_SESSION *session, int64 verified_us);

/*
 * One to go on with, which is the caller's, and when its certificate was
 * verified; NULL: there is none.
 */
extern SSL_SESSION *pgnet_tls_sessions_take(TlsSessions *sessions,
											const TlsPeer *peer,
											int64 *verified_us);

/* Drop those with a peer, or all of an identity. */
extern void pgnet_tls_sessions_drop(TlsSessions *sessions,
									const TlsPeer *peer);
extern void pgnet_tls_sessions_drop_identity(TlsSessions *sessions,
											 uint64 identity);

#endif							/* PGNET_TLS_SESSIONS_H */
