/*
 * tls_contexts.c -- what OpenSSL makes connections from, by settings.
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include <openssl/err.h>

#include "http/tls_certificate.h"
#include "http/tls_contexts.h"
#include "http/tls_error.h"

/* More that nobody uses are not kept. */
#define MAX_CONTEXTS 64

/* Room for the names of all ciphers. */
#define CIPHERS_BYTES 16384

static TlsContext *find(TlsContexts *contexts, const TlsTrust *trust,
						const TlsSettings *settings);
static TlsContext *create(TlsContexts *contexts, TlsTrust *trust,
						  const TlsSettings *settings);
static bool same_text(const char *one, const char *other);
static void make_room(TlsContexts *contexts);
static void drop(TlsContexts *contexts, TlsContext *context);
static void refresh(TlsContexts *contexts, TlsContext *context);
static SSL_CTX *make_ssl(const TlsContexts *contexts,
						 const TlsContext *context, HttpError *error);
static bool set_up(SSL_CTX *ssl, const TlsContext *context);
static int	version_of(TlsVersion version);
static bool set_alpn(SSL_CTX *ssl, bool offers_http2);
static bool set_ciphers(SSL_CTX *ssl);
static bool is_finite_field(const SSL_CIPHER *cipher);
static bool set_groups(SSL_CTX *ssl);

/* Begin with none. */
void
pgnet_tls_contexts_init(TlsContexts *contexts, const TlsCallbacks *callbacks)
{
	*contexts = (TlsContexts) {.callbacks = *callbacks};
	dlist_init(&contexts->list);
	pgnet_tls_trusts_init(&contexts->trusts);
	pgnet_tls_sessions_init(&contexts->sessions);
}

/* Drop all. */
void
pgnet_tls_contexts_clear(TlsContexts *contexts)
{
	while (!dlist_is_empty(&contexts->list))
		drop(contexts, dlist_head_element(TlsContext, node, &contexts->list));
	pgnet_tls_sessions_clear(&contexts->sessions);
}

/* Find or make it. */
TlsContext *
pgnet_tls_contexts_find(TlsContexts *contexts, const TlsSettings *settings)
{
	TlsTrust   *trust = pgnet_tls_trust_use(&contexts->trusts, settings);
	TlsContext *context;

	if (trust == NULL)
		return NULL;
	context = find(contexts, trust, settings);
	if (context != NULL)
	{
		pgnet_tls_trust_release(trust);
		dlist_move_head(&contexts->list, &context->node);
	}
	else
	{
		context = create(contexts, trust, settings);
		if (context == NULL)
			return NULL;
		make_room(contexts);
		dlist_push_head(&contexts->list, &context->node);
		contexts->count++;
	}
	refresh(contexts, context);
	return context;
}

/* Count on. */
uint64
pgnet_tls_contexts_new_identity(TlsContexts *contexts)
{
	return ++contexts->last_identity;
}

/*
 * Make it when it is needed.  Handshakes that are under way go on with what is
 * trusted now, too.
 */
SSL_CTX *
pgnet_tls_context_ssl(TlsContexts *contexts, TlsContext *context,
					  HttpError *error)
{
	X509_STORE *store = pgnet_tls_trust_store(context->trust, error);

	if (store == NULL)
		return NULL;
	if (context->ssl == NULL)
		context->ssl = make_ssl(contexts, context, error);
	if (context->ssl != NULL && SSL_CTX_get_cert_store(context->ssl) != store)
		SSL_CTX_set1_cert_store(context->ssl, store);
	return context->ssl;
}

/* Find the one of these settings; NULL: there is none. */
static TlsContext *
find(TlsContexts *contexts, const TlsTrust *trust, const TlsSettings *settings)
{
	dlist_iter	iter;

	dlist_foreach(iter, &contexts->list)
	{
		TlsContext *context = dlist_container(TlsContext, node, iter.cur);

		if (context->trust == trust &&
			context->min_version == settings->min_version &&
			context->offers_http2 == settings->offers_http2 &&
			same_text(context->client_certificate,
					  settings->client_certificate))
			return context;
	}
	return NULL;
}

/* Make one, which has trust, or releases it. */
static TlsContext *
create(TlsContexts *contexts, TlsTrust *trust, const TlsSettings *settings)
{
	const char *certificate = settings->client_certificate;
	TlsContext *context = calloc(1, sizeof(TlsContext));

	if (context != NULL && certificate != NULL)
		context->client_certificate = strdup(certificate);
	if (context == NULL ||
		(certificate != NULL && context->client_certificate == NULL))
	{
		free(context);
		pgnet_tls_trust_release(trust);
		return NULL;
	}
	context->trust = trust;
	context->min_version = settings->min_version;
	context->offers_http2 = settings->offers_http2;
	context->generation = pgnet_tls_trust_generation(trust);
	context->identity = pgnet_tls_contexts_new_identity(contexts);
	return context;
}

/* Are both the same, or none? */
static bool
same_text(const char *one, const char *other)
{
	if (one == NULL || other == NULL)
		return one == other;
	return strcmp(one, other) == 0;
}

/* Drop the oldest of those that nobody uses, if there are many. */
static void
make_room(TlsContexts *contexts)
{
	dlist_iter	iter;

	if (contexts->count < MAX_CONTEXTS)
		return;
	dlist_reverse_foreach(iter, &contexts->list)
	{
		TlsContext *context = dlist_container(TlsContext, node, iter.cur);

		if (context->users == 0)
		{
			drop(contexts, context);
			return;
		}
	}
}

/* Drop one, and leave nothing of a key behind. */
static void
drop(TlsContexts *contexts, TlsContext *context)
{
	char	   *certificate = context->client_certificate;

	pgnet_tls_sessions_drop_identity(&contexts->sessions, context->identity);
	dlist_delete(&context->node);
	contexts->count--;
	SSL_CTX_free(context->ssl);
	pgnet_tls_trust_release(context->trust);
	if (certificate != NULL)
		OPENSSL_cleanse(certificate, strlen(certificate));
	free(certificate);
	free(context);
}

/* When other authorities are trusted, what these verified does not count. */
static void
refresh(TlsContexts *contexts, TlsContext *context)
{
	uint64		generation = pgnet_tls_trust_generation(context->trust);

	if (context->generation == generation)
		return;
	context->generation = generation;
	pgnet_tls_sessions_drop_identity(&contexts->sessions, context->identity);
	context->identity = pgnet_tls_contexts_new_identity(contexts);
}

/* Make one; its authorities are set later. */
static SSL_CTX *
make_ssl(const TlsContexts *contexts, const TlsContext *context,
		 HttpError *error)
{
	SSL_CTX    *ssl;

	ERR_clear_error();
	ssl = SSL_CTX_new(TLS_client_method());
	if (ssl == NULL || !set_up(ssl, context))
		pgnet_tls_error_set(error, PGNET_PROBLEM_TLS, "could not set up TLS");
	else if (context->client_certificate == NULL ||
			 pgnet_tls_certificate_use(ssl, context->client_certificate,
									   error))
	{
		SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER, contexts->callbacks.verify);
		SSL_CTX_sess_set_new_cb(ssl, contexts->callbacks.new_session);
		return ssl;
	}
	SSL_CTX_free(ssl);
	ERR_clear_error();
	return NULL;
}

/*
 * Set what does not depend on others.  Like libcurl, take the certificate of an
 * authority that is trusted as an end of the chain, whoever signed it, and fill
 * up a greeting that some old servers would take for another protocol's.
 */
static bool
set_up(SSL_CTX *ssl, const TlsContext *context)
{
	const int	sessions = SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL;
	X509_VERIFY_PARAM *verification = SSL_CTX_get0_param(ssl);
	int			oldest = version_of(context->min_version);

	SSL_CTX_set_mode(ssl,
					 SSL_MODE_ENABLE_PARTIAL_WRITE |
						 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
						 SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_options(ssl, SSL_OP_TLSEXT_PADDING);
	SSL_CTX_set_session_cache_mode(ssl, sessions);
	return X509_VERIFY_PARAM_set_flags(verification,
									   X509_V_FLAG_PARTIAL_CHAIN) == 1 &&
		SSL_CTX_set_min_proto_version(ssl, oldest) == 1 &&
		set_alpn(ssl, context->offers_http2) && set_ciphers(ssl) &&
		set_groups(ssl);
}

/* What OpenSSL calls it. */
static int
version_of(TlsVersion version)
{
	switch (version)
	{
		case PGNET_TLS_1_0:
			return TLS1_VERSION;
		case PGNET_TLS_1_1:
			return TLS1_1_VERSION;
		case PGNET_TLS_1_2:
			return TLS1_2_VERSION;
		case PGNET_TLS_1_3:
			break;
	}
	return TLS1_3_VERSION;
}

/* Offer versions of HTTP, the best first (RFC 7301, section 3.1). */
static bool
set_alpn(SSL_CTX *ssl, bool offers_http2)
{
	static const unsigned char protocols[] = "\x02h2\x08http/1.1";
	const unsigned char *first = offers_http2 ? protocols : protocols + 3;

	/* 0 is success here */
	return SSL_CTX_set_alpn_protos(ssl, first,
								   protocols + sizeof(protocols) - 1 -
									   first) == 0;
}

/*
 * With Diffie-Hellman in a finite field, a server could choose numbers with
 * which one step takes a third of a second.  The other ciphers stay as OpenSSL
 * and its configuration have them; those of TLS 1.3 have their own list.
 */
static bool
set_ciphers(SSL_CTX *ssl)
{
	const STACK_OF(SSL_CIPHER) *ciphers = SSL_CTX_get_ciphers(ssl);
	char		names[CIPHERS_BYTES] = "";

	for (int i = 0; i < sk_SSL_CIPHER_num(ciphers); i++)
	{
		const SSL_CIPHER *cipher = sk_SSL_CIPHER_value(ciphers, i);

		if (is_finite_field(cipher) ||
			SSL_CIPHER_get_kx_nid(cipher) == NID_kx_any)
			continue;
		strlcat(names, ":", sizeof(names));
		strlcat(names, SSL_CIPHER_get_name(cipher), sizeof(names));
	}
	return SSL_CTX_set_cipher_list(ssl, names) == 1;
}

/* Does a cipher agree on keys in a finite field? */
static bool
is_finite_field(const SSL_CIPHER *cipher)
{
	int			exchange = SSL_CIPHER_get_kx_nid(cipher);

	return exchange == NID_kx_dhe || exchange == NID_kx_dhe_psk;
}

/*
 * The same for TLS 1.3: elliptic curves alone, and the hybrid one if OpenSSL
 * has it (3.5), with which it sends a key for either so that no server has to
 * ask for another.  Not all are there when FIPS 140 rules.
 */
static bool
set_groups(SSL_CTX *ssl)
{
	static const char *const lists[] = {
		"*X25519MLKEM768:*X25519:P-256:P-384:P-521",
		"X25519:P-256:P-384:P-521",
		"P-256:P-384:P-521"
	};

	for (int i = 0; i < (int) lengthof(lists); i++)
		if (SSL_CTX_set1_groups_list(ssl, lists[i]) == 1)
		{
			ERR_clear_error();
			return true;
		}
	return false;
}
