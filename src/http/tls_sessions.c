/*
 * tls_sessions.c -- sessions of TLS to go on with.
 *
 * Runs in: workers.
 *
 * Who goes on with a session does not see a certificate, and OpenSSL does not
 * look whether it is for the same host, by the same authorities.  So a session
 * is only for whom the certificate was verified for, and not for long.
 */
#include "postgres.h"

#include <time.h>

#include "common/hashfn.h"

#include "http/timers.h"
#include "http/tls_sessions.h"

/* More are not kept, in all and of one peer. */
#define MAX_SESSIONS 1000
#define MAX_OF_PEER 32

/* A certificate is verified again after this time. */
#define MAX_AGE_US ((int64) 60 * 60 * 1000 * 1000)

typedef struct KeptSession
{
	dlist_node	by_age;			/* of TlsSessions */
	dlist_node	in_list;
	SSL_SESSION *session;
	int64		verified_us;
	TlsPeer		peer;			/* its strings are behind this */
} KeptSession;

static KeptSession *create(const TlsPeer *peer);
static dlist_head *list_of(TlsSessions *sessions, const TlsPeer *peer);
static bool is_same(const TlsPeer *one, const TlsPeer *other);
static KeptSession *find(TlsSessions *sessions, const TlsPeer *peer);
static void make_room(TlsSessions *sessions, const TlsPeer *peer, int most);
static void drop(TlsSessions *sessions, KeptSession *kept);
static bool is_usable(const KeptSession *kept);
static bool is_for_once(const SSL_SESSION *session);

/* Begin with none. */
void
pgnet_tls_sessions_init(TlsSessions *sessions)
{
	dlist_init(&sessions->by_age);
	for (int i = 0; i < PGNET_TLS_SESSION_LISTS; i++)
		dlist_init(&sessions->lists[i]);
	sessions->count = 0;
}

/* Drop all. */
void
pgnet_tls_sessions_clear(TlsSessions *sessions)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &sessions->by_age)
	{
		drop(sessions, dlist_container(KeptSession, by_age, iter.cur));
	}
}

/* Keep it; one that may be used again and again replaces the others. */
bool
pgnet_tls_sessions_add(TlsSessions *sessions, const TlsPeer *peer,
					   SSL_SESSION *session, int64 verified_us)
{
	KeptSession *kept;

	if (!SSL_SESSION_is_resumable(session))
		return false;
	kept = create(peer);
	if (kept == NULL)
		return false;
	make_room(sessions, peer, is_for_once(session) ? MAX_OF_PEER - 1 : 0);
	kept->session = session;
	kept->verified_us = verified_us;
	dlist_push_head(&sessions->by_age, &kept->by_age);
	dlist_push_head(list_of(sessions, peer), &kept->in_list);
	sessions->count++;
	return true;
}

/* Take the newest one. */
SSL_SESSION *
pgnet_tls_sessions_take(TlsSessions *sessions, const TlsPeer *peer,
						int64 *verified_us)
{
	KeptSession *kept;
	SSL_SESSION *session;

	while ((kept = find(sessions, peer)) != NULL && !is_usable(kept))
		drop(sessions, kept);
	if (kept == NULL || SSL_SESSION_up_ref(kept->session) != 1)
		return NULL;
	session = kept->session;
	*verified_us = kept->verified_us;
	if (is_for_once(session))
		drop(sessions, kept);
	return session;
}

/* Drop those with a peer. */
void
pgnet_tls_sessions_drop(TlsSessions *sessions, const TlsPeer *peer)
{
	KeptSession *kept;

	while ((kept = find(sessions, peer)) != NULL)
		drop(sessions, kept);
}

/* Drop what was verified by what does not count any more. */
void
pgnet_tls_sessions_drop_identity(TlsSessions *sessions, uint64 identity)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &sessions->by_age)
	{
		KeptSession *kept = dlist_container(KeptSession, by_age, iter.cur);

		if (kept->peer.identity == identity)
			drop(sessions, kept);
	}
}

/* Make one, with a copy of peer. */
static KeptSession *
create(const TlsPeer *peer)
{
	size_t		host_size = strlen(peer->host) + 1;
	size_t		route_size = strlen(peer->route) + 1;
	KeptSession *kept = malloc(sizeof(KeptSession) + host_size + route_size);
	char	   *strings;

	if (kept == NULL)
		return NULL;
	strings = (char *) (kept + 1);
	memcpy(strings, peer->host, host_size);
	memcpy(strings + host_size, peer->route, route_size);
	kept->peer = *peer;
	kept->peer.host = strings;
	kept->peer.route = strings + host_size;
	return kept;
}

/* The list that has the sessions with a peer, and others. */
static dlist_head *
list_of(TlsSessions *sessions, const TlsPeer *peer)
{
	uint64		hash = peer->identity ^ (uint64) peer->port << 48;

	hash = hash_bytes_extended((const unsigned char *) peer->host,
							   (int) strlen(peer->host), hash);
	hash = hash_bytes_extended((const unsigned char *) peer->route,
							   (int) strlen(peer->route), hash);
	return &sessions->lists[hash % PGNET_TLS_SESSION_LISTS];
}

/* Are they the same? */
static bool
is_same(const TlsPeer *one, const TlsPeer *other)
{
	return one->identity == other->identity && one->port == other->port &&
		strcmp(one->host, other->host) == 0 &&
		strcmp(one->route, other->route) == 0;
}

/* The newest session with a peer; NULL: there is none. */
static KeptSession *
find(TlsSessions *sessions, const TlsPeer *peer)
{
	dlist_iter	iter;

	dlist_foreach(iter, list_of(sessions, peer))
	{
		KeptSession *kept = dlist_container(KeptSession, in_list, iter.cur);

		if (is_same(&kept->peer, peer))
			return kept;
	}
	return NULL;
}

/* Drop old ones, until so many with a peer are left, and one more fits. */
static void
make_room(TlsSessions *sessions, const TlsPeer *peer, int most)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, list_of(sessions, peer))
	{
		KeptSession *kept = dlist_container(KeptSession, in_list, iter.cur);

		if (is_same(&kept->peer, peer) && most-- <= 0)
			drop(sessions, kept);
	}
	if (sessions->count >= MAX_SESSIONS)
		drop(sessions,
			 dlist_tail_element(KeptSession, by_age, &sessions->by_age));
}

/* Drop one. */
static void
drop(TlsSessions *sessions, KeptSession *kept)
{
	dlist_delete(&kept->by_age);
	dlist_delete(&kept->in_list);
	sessions->count--;
	SSL_SESSION_free(kept->session);
	free(kept);
}

/* Does what was verified still hold, as far as that can be known? */
static bool
is_usable(const KeptSession *kept)
{
	X509	   *certificate = SSL_SESSION_get0_peer(kept->session);

	return pgnet_monotonic_us() - kept->verified_us < MAX_AGE_US &&
		SSL_SESSION_is_resumable(kept->session) && certificate != NULL &&
		ASN1_TIME_cmp_time_t(X509_get0_notAfter(certificate), time(NULL)) > 0;
}

/*
 * A ticket of TLS 1.3 is used once, or else whoever listens sees that two
 * connections are of the same client (RFC 8446, appendix C.4).
 */
static bool
is_for_once(const SSL_SESSION *session)
{
	return SSL_SESSION_get_protocol_version(session) >= TLS1_3_VERSION;
}
