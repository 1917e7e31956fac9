/*
 * tls.c -- TLS, by OpenSSL, on top of another stream.
 *
 * Runs in: workers.
 *
 * OpenSSL has a queue of errors for the whole process, which PostgreSQL's own
 * TLS uses, too: it is emptied before each call, and after one that failed.
 */
#include "postgres.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "http/stream_bio.h"
#include "http/timers.h"
#include "http/tls.h"
#include "http/tls_contexts.h"
#include "http/tls_error.h"
#include "http/tls_names.h"

/* What may be read at once: more than a handshake, or two records, take. */
#define HANDSHAKE_BYTES ((size_t) 256 * 1024)
#define TURN_BYTES ((size_t) 48 * 1024)

struct TlsStore
{
	TlsContexts contexts;
	BIO_METHOD *method;
};

typedef struct TlsStream
{
	Stream		stream;			/* first */
	StreamBio	below;
	TlsStore   *store;
	TlsContext *context;
	SSL		   *ssl;
	TlsPeer		peer;			/* its strings are behind this */
	int64		verified_us;	/* when the certificate was */
	bool		named;			/* it was, and it is for that host */
	bool		offered;		/* a session to go on with */
	bool		open;			/* the handshake is over */
	bool		broken;			/* OpenSSL may not be called any more */
} TlsStream;

static TlsStream *create(const TlsContext *context, Stream *below,
						 const char *host, int port, const char *route);
static void copy_host(char *to, const char *host);
static bool prepare(TlsStream *tls, SSL_CTX *context, HttpError *error);
static bool set_server_name(SSL *ssl, const char *host);
static void offer_session(TlsStream *tls);
static void free_stream(TlsStream *tls);
static bool finish_handshake(TlsStream *tls);
static void fail_handshake(TlsStream *tls, int result);
static void explain_handshake(TlsStream *tls, int result);
static ssize_t read_tls(Stream *stream, void *bytes, size_t size);
static ssize_t write_tls(Stream *stream, const void *bytes, size_t length);
static ssize_t end_turn(TlsStream *tls, int result, size_t count,
						HttpProblem problem);
static void fail(TlsStream *tls, int result, HttpProblem problem);
static const char *explain_below(TlsStream *tls, int result);
static bool has_pending(Stream *stream);
static bool is_quiet(Stream *stream);
static void close_tls(Stream *stream);
static void begin_turn(TlsStream *tls, size_t allowance);
static void look_below(TlsStream *tls);
static bool is_verified(const TlsStream *tls);
static int	verify(int good, X509_STORE_CTX *chain);
static int	keep_session(SSL *ssl, SSL_SESSION *session);

static const StreamOperations operations = {
	.read = read_tls,
	.write = write_tls,
	.has_pending = has_pending,
	.is_quiet = is_quiet,
	.close = close_tls
};

/* Make one. */
TlsStore *
pgnet_tls_store_create(void)
{
	static const TlsCallbacks callbacks = {
		.verify = verify,
		.new_session = keep_session
	};
	TlsStore   *store = malloc(sizeof(TlsStore));

	if (store == NULL)
		return NULL;
	pgnet_tls_contexts_init(&store->contexts, &callbacks);
	store->method = pgnet_stream_bio_method();
	if (store->method != NULL)
		return store;
	free(store);
	return NULL;
}

/* Free it. */
void
pgnet_tls_store_free(TlsStore *store)
{
	if (store == NULL)
		return;
	pgnet_tls_contexts_clear(&store->contexts);
	BIO_meth_free(store->method);
	free(store);
}

/* Without memory to know it by, nothing is the same as anything else. */
uint64
pgnet_tls_identity(TlsStore *store, const TlsSettings *settings)
{
	const TlsContext *context = pgnet_tls_contexts_find(&store->contexts,
														settings);

	return context ? context->identity :
					 pgnet_tls_contexts_new_identity(&store->contexts);
}

/* Begin. */
Stream *
pgnet_tls_open(TlsStore *store, const TlsSettings *settings, Stream *below,
			   const char *host, int port, const char *route,
			   HttpError *error)
{
	TlsContext *context = pgnet_tls_contexts_find(&store->contexts, settings);
	SSL_CTX    *ssl = NULL;
	TlsStream  *tls = NULL;

	if (context != NULL)
	{
		ssl = pgnet_tls_context_ssl(&store->contexts, context, error);
		if (ssl == NULL)
			return NULL;
		tls = create(context, below, host, port, route);
	}
	if (tls == NULL)
	{
		pgnet_error_set(error, PGNET_PROBLEM_MEMORY, "out of memory");
		return NULL;
	}
	tls->store = store;
	tls->context = context;
	context->users++;
	if (prepare(tls, ssl, error))
		return &tls->stream;
	free_stream(tls);
	return NULL;
}

/* Go on. */
TlsStatus
pgnet_tls_handshake(Stream *stream)
{
	TlsStream  *tls = (TlsStream *) stream;
	int			result;

	if (tls->broken)
		return PGNET_TLS_FAILED;
	begin_turn(tls, HANDSHAKE_BYTES);
	result = SSL_do_handshake(tls->ssl);
	look_below(tls);
	if (result == 1)
		return finish_handshake(tls) ? PGNET_TLS_READY : PGNET_TLS_FAILED;
	switch (SSL_get_error(tls->ssl, result))
	{
		case SSL_ERROR_WANT_READ:
		case SSL_ERROR_WANT_WRITE:
			return PGNET_TLS_AGAIN;
		default:
			fail_handshake(tls, result);
			return PGNET_TLS_FAILED;
	}
}

/* What did the server choose?  It may only have chosen what was offered. */
bool
pgnet_tls_speaks_http2(const Stream *stream)
{
	const TlsStream *tls = (const TlsStream *) stream;
	const unsigned char *protocol;
	unsigned int length;

	SSL_get0_alpn_selected(tls->ssl, &protocol, &length);
	return tls->context->offers_http2 && length == 2 &&
		memcmp(protocol, "h2", 2) == 0;
}

/* Make one, with a host as it is in certificates. */
static TlsStream *
create(const TlsContext *context, Stream *below, const char *host, int port,
	   const char *route)
{
	size_t		host_size = strlen(host) + 1;
	size_t		route_size = strlen(route) + 1;
	TlsStream  *tls = calloc(1, sizeof(TlsStream) + host_size + route_size);
	char	   *strings;

	if (tls == NULL)
		return NULL;
	strings = (char *) (tls + 1);
	copy_host(strings, host);
	memcpy(strings + host_size, route, route_size);
	tls->peer = (TlsPeer) {
		.identity = context->identity,
		.host = strings,
		.port = port,
		.route = strings + host_size
	};
	tls->stream.operations = &operations;
	tls->below.stream = below;
	return tls;
}

/*
 * Certificates have names without a dot at their end, and addresses without a
 * zone (RFC 6874); so has the name that is sent (RFC 6066, section 3).
 */
static void
copy_host(char *to, const char *host)
{
	size_t		length = strlen(host);

	if (strchr(host, ':') != NULL)
		length = strcspn(host, "%");
	else if (length > 1 && host[length - 1] == '.')
		length--;
	for (size_t i = 0; i < length; i++)
		to[i] = (char) pg_ascii_tolower((unsigned char) host[i]);
	to[length] = '\0';
}

/* Have OpenSSL begin. */
static bool
prepare(TlsStream *tls, SSL_CTX *context, HttpError *error)
{
	BIO		   *bio;

	ERR_clear_error();
	bio = pgnet_stream_bio_create(tls->store->method, &tls->below);
	tls->ssl = SSL_new(context);
	if (bio == NULL || tls->ssl == NULL)
	{
		BIO_free(bio);
		pgnet_error_set(error, PGNET_PROBLEM_MEMORY, "out of memory");
		return false;
	}
	SSL_set_bio(tls->ssl, bio, bio);
	SSL_set_app_data(tls->ssl, tls);
	SSL_set_connect_state(tls->ssl);
	if (!set_server_name(tls->ssl, tls->peer.host))
	{
		pgnet_tls_error_set(error, PGNET_PROBLEM_TLS, "failed to set SNI");
		ERR_clear_error();
		return false;
	}
	offer_session(tls);
	return true;
}

/* Say which host it is for; an address is not said (RFC 6066, section 3). */
static bool
set_server_name(SSL *ssl, const char *host)
{
	unsigned char address[PGNET_TLS_ADDRESS_BYTES];

	return pgnet_tls_address(host, address) > 0 ||
		SSL_set_tlsext_host_name(ssl, host) == 1;
}

/* Go on with a session, if there is one. */
static void
offer_session(TlsStream *tls)
{
	SSL_SESSION *session;

	session = pgnet_tls_sessions_take(&tls->store->contexts.sessions,
									  &tls->peer, &tls->verified_us);
	if (session == NULL)
		return;
	tls->offered = SSL_set_session(tls->ssl, session) == 1;
	SSL_SESSION_free(session);
}

/* Free it, but not what is below. */
static void
free_stream(TlsStream *tls)
{
	SSL_free(tls->ssl);
	ERR_clear_error();
	tls->context->users--;
	free(tls);
}

/* It is over: was the certificate verified, whatever OpenSSL thinks of that? */
static bool
finish_handshake(TlsStream *tls)
{
	if (!is_verified(tls))
	{
		pgnet_error_set(&tls->stream.error, PGNET_PROBLEM_VERIFICATION,
						"SSL certificate verification failed");
		tls->broken = true;
		return false;
	}
	/* RFC 9113, section 9.2.1 */
	if (pgnet_tls_speaks_http2(&tls->stream))
		SSL_set_options(tls->ssl, SSL_OP_NO_RENEGOTIATION);
	tls->open = true;
	return true;
}

/* It cannot go on; perhaps it was the session. */
static void
fail_handshake(TlsStream *tls, int result)
{
	explain_handshake(tls, result);
	ERR_clear_error();
	tls->broken = true;
	if (tls->offered)
		pgnet_tls_sessions_drop(&tls->store->contexts.sessions, &tls->peer);
}

/* Why? */
static void
explain_handshake(TlsStream *tls, int result)
{
	HttpError  *error = &tls->stream.error;
	long		verdict = SSL_get_verify_result(tls->ssl);
	char		text[PGNET_TLS_ERROR_BYTES];

	/* what verify() said comes first */
	if (error->problem != PGNET_NO_PROBLEM)
		return;
	if (verdict == X509_V_ERR_OUT_OF_MEM || pgnet_tls_error_set_shortage(error))
		pgnet_error_set(error, PGNET_PROBLEM_MEMORY, "out of memory");
	else if (verdict != X509_V_OK)
	{
		if (!pgnet_tls_trust_lacks_descriptors(verdict, error))
			pgnet_error_set(error, PGNET_PROBLEM_VERIFICATION,
							"SSL certificate problem: %s",
							X509_verify_cert_error_string(verdict));
	}
	else if (pgnet_tls_error_text(text, sizeof(text)))
		pgnet_error_set(error, PGNET_PROBLEM_TLS, "%s", text);
	else
		pgnet_error_set(error, PGNET_PROBLEM_TLS,
						"OpenSSL SSL_connect: %s in connection to %s:%d",
						explain_below(tls, result), tls->peer.host,
						tls->peer.port);
}

/* Read what came. */
static ssize_t
read_tls(Stream *stream, void *bytes, size_t size)
{
	TlsStream  *tls = (TlsStream *) stream;
	size_t		count = 0;
	int			result;

	Assert(size > 0);
	if (tls->broken)
		return PGNET_STREAM_FAILED;
	begin_turn(tls, TURN_BYTES);
	result = SSL_read_ex(tls->ssl, bytes, size, &count);
	return end_turn(tls, result, count, PGNET_PROBLEM_RECEIVE);
}

/* Write as much as there is room for. */
static ssize_t
write_tls(Stream *stream, const void *bytes, size_t length)
{
	TlsStream  *tls = (TlsStream *) stream;
	size_t		count = 0;
	int			result;

	Assert(length > 0);
	if (tls->broken)
		return PGNET_STREAM_FAILED;
	begin_turn(tls, TURN_BYTES);
	result = SSL_write_ex(tls->ssl, bytes, length, &count);
	return end_turn(tls, result, count, PGNET_PROBLEM_SEND);
}

/*
 * What came of it?  The end is one only when the peer said so: else anybody on
 * the way could cut off what it sends (RFC 8446, section 6.1).
 */
static ssize_t
end_turn(TlsStream *tls, int result, size_t count, HttpProblem problem)
{
	look_below(tls);
	if (result == 1)
		return (ssize_t) count;
	switch (SSL_get_error(tls->ssl, result))
	{
		case SSL_ERROR_WANT_READ:
		case SSL_ERROR_WANT_WRITE:
			return PGNET_STREAM_AGAIN;
		case SSL_ERROR_ZERO_RETURN:
			if (problem == PGNET_PROBLEM_RECEIVE)
				return PGNET_STREAM_END;
			/* FALLTHROUGH */
		default:
			fail(tls, result, problem);
			return PGNET_STREAM_FAILED;
	}
}

/*
 * Say why reading or writing failed.  When OpenSSL is asked again, it says of
 * an alert, or of a record that was changed, that it was the end.  But who
 * cannot write may still read what the peer had to say about that.
 */
static void
fail(TlsStream *tls, int result, HttpProblem problem)
{
	HttpError  *error = &tls->stream.error;
	char		text[PGNET_TLS_ERROR_BYTES];
	const char *reason = text;

	tls->broken = problem == PGNET_PROBLEM_RECEIVE ||
		SSL_get_error(tls->ssl, result) == SSL_ERROR_SSL;
	if (!pgnet_tls_error_text(text, sizeof(text)))
		reason = explain_below(tls, result);
	pgnet_error_set(error, problem, "OpenSSL %s: %s, errno %d",
					problem == PGNET_PROBLEM_SEND ? "SSL_write" : "SSL_read",
					reason, tls->below.stream->error.system_errno);
	ERR_clear_error();
}

/* Why OpenSSL could not use what is below; keep its errno. */
static const char *
explain_below(TlsStream *tls, int result)
{
	const HttpError *below = &tls->below.stream->error;

	if (below->problem == PGNET_NO_PROBLEM)
		return SSL_get_error(tls->ssl, result) == SSL_ERROR_ZERO_RETURN ?
			"SSL_ERROR_ZERO_RETURN" :
			"SSL_ERROR_SYSCALL";
	if (tls->stream.error.problem == PGNET_NO_PROBLEM)
		tls->stream.error.system_errno = below->system_errno;
	return below->system_errno ? strerror(below->system_errno) :
								 below->detail;
}

/* Is something decrypted here, or below, that was not read? */
static bool
has_pending(Stream *stream)
{
	const TlsStream *tls = (const TlsStream *) stream;

	return SSL_pending(tls->ssl) > 0 ||
		pgnet_stream_has_pending(tls->below.stream);
}

/* Was it nothing but what TLS itself sends? */
static bool
is_quiet(Stream *stream)
{
	TlsStream  *tls = (TlsStream *) stream;
	char		byte;
	size_t		count = 0;
	int			result;

	if (tls->broken)
		return false;
	begin_turn(tls, TURN_BYTES);
	result = SSL_peek_ex(tls->ssl, &byte, 1, &count);
	return end_turn(tls, result, count, PGNET_PROBLEM_RECEIVE) ==
		PGNET_STREAM_AGAIN &&
		tls->below.blocked && !tls->stream.wants_write;
}

/* Say goodbye, if there is room for that, and close what is below. */
static void
close_tls(Stream *stream)
{
	TlsStream  *tls = (TlsStream *) stream;
	Stream	   *below = tls->below.stream;

	begin_turn(tls, TURN_BYTES);
	if (tls->open && !tls->broken)
		(void) SSL_shutdown(tls->ssl);
	free_stream(tls);
	pgnet_stream_close(below);
}

/* Before OpenSSL is called. */
static void
begin_turn(TlsStream *tls, size_t allowance)
{
	ERR_clear_error();
	pgnet_stream_bio_allow(&tls->below, allowance);
}

/* After it: what became of the stream below? */
static void
look_below(TlsStream *tls)
{
	const Stream *below = tls->below.stream;

	tls->stream.wants_write = tls->below.blocked && below->wants_write;
	tls->stream.bytes_in = below->bytes_in;
	tls->stream.bytes_out = below->bytes_out;
}

/*
 * Was the peer's certificate verified, and is it for the host?  Who goes on
 * with a session does not see one, but that was so when the session was kept.
 */
static bool
is_verified(const TlsStream *tls)
{
	return SSL_get_verify_result(tls->ssl) == X509_V_OK &&
		(tls->named || (tls->offered && SSL_session_reused(tls->ssl)));
}

/*
 * Of OpenSSL: a certificate of the chain is good, or not.  The peer's own comes
 * last; so who has another name is told so within the handshake.
 */
static int
verify(int good, X509_STORE_CTX *chain)
{
	int			index = SSL_get_ex_data_X509_STORE_CTX_idx();
	SSL		   *ssl = X509_STORE_CTX_get_ex_data(chain, index);
	TlsStream  *tls = SSL_get_app_data(ssl);

	if (!good || X509_STORE_CTX_get_error_depth(chain) > 0)
		return good;
	if (!pgnet_tls_names(X509_STORE_CTX_get_current_cert(chain),
						 tls->peer.host, &tls->stream.error))
	{
		X509_STORE_CTX_set_error(chain, X509_V_ERR_HOSTNAME_MISMATCH);
		return 0;
	}
	tls->named = true;
	tls->verified_us = pgnet_monotonic_us();
	return 1;
}

/* Of OpenSSL: a session came; 1: we keep it. */
static int
keep_session(SSL *ssl, SSL_SESSION *session)
{
	TlsStream  *tls = SSL_get_app_data(ssl);

	return is_verified(tls) &&
		pgnet_tls_sessions_add(&tls->store->contexts.sessions, &tls->peer,
							   session, tls->verified_us);
}
