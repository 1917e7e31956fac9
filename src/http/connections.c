/*
 * connections.c -- which connection a request is about to go out on, and may
 * it?
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include <curl/curl.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include "http/connections.h"

static bool has_received(curl_socket_t fd);
static bool has_tls_received(const SSL *session);
static bool has_ended(curl_socket_t fd);
static SSL *tls_session(CURL *easy, bool *is_tls);
static bool speaks_http2(const SSL *session);

/* Look at the socket, and at what TLS has read from it already. */
ConnectionUse
pgnet_connection_take(Sockets *sockets, CURL *easy, const ConnectionEnds *ends,
					  bool opened, curl_socket_t *fd)
{
	bool		is_tls;
	SSL		   *session = tls_session(easy, &is_tls);

	*fd = pgnet_sockets_find(sockets, ends->local_port, ends->remote_ip,
							 ends->remote_port);
	if (*fd == CURL_SOCKET_BAD)
		return opened ? PGNET_CONNECTION_NEW : PGNET_CONNECTION_SPOILT;
	if (!pgnet_sockets_use(sockets, *fd, speaks_http2(session), ends->http2))
		return PGNET_CONNECTION_NEW;
	if (is_tls && !ends->tls)
		return PGNET_CONNECTION_SPOILT;
	/* opened for HTTP/1.1: whether the server speaks HTTP/2 was not asked */
	if (ends->http2 && !pgnet_sockets_asked_for_http2(sockets, *fd))
		return PGNET_CONNECTION_SPOILT;
	/* frames say which stream they belong to, and come at any time */
	if (speaks_http2(session))
		return has_ended(*fd) ? PGNET_CONNECTION_SPOILT :
								PGNET_CONNECTION_SHARED;
	if (has_received(*fd))
		return PGNET_CONNECTION_SPOILT;
	if (is_tls && has_tls_received(session))
		return PGNET_CONNECTION_SPOILT;
	return is_tls ? PGNET_CONNECTION_KEPT : PGNET_CONNECTION_KEPT_PLAIN;
}

/* Did anything arrive that nobody has read, or the end, or an error? */
static bool
has_received(curl_socket_t fd)
{
	char		byte;

	return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 ||
		(errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

/*
 * Has TLS read what nobody has taken, or its end?  One unknown may have.  Where
 * libcurl has it read ahead, that may be there as it came, and not yet known.
 */
static bool
has_tls_received(const SSL *session)
{
	if (session == NULL || SSL_has_pending(session))
		return true;
	return (SSL_get_shutdown(session) & SSL_RECEIVED_SHUTDOWN) != 0;
}

/* Did the end arrive, or an error? */
static bool
has_ended(curl_socket_t fd)
{
	char		byte;

	return has_received(fd) &&
		recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0;
}

/*
 * The TLS session with the host; NULL without TLS, or if the session is not
 * OpenSSL's.
 */
static SSL *
tls_session(CURL *easy, bool *is_tls)
{
	struct curl_tlssessioninfo *info = NULL;

	*is_tls = curl_easy_getinfo(easy, CURLINFO_TLS_SSL_PTR, &info) ==
			CURLE_OK &&
		info != NULL && info->internals != NULL;
	return *is_tls && info->backend == CURLSSLBACKEND_OPENSSL ?
		(SSL *) info->internals :
		NULL;
}

/* Was HTTP/2 agreed (RFC 9113, section 3.2)? */
static bool
speaks_http2(const SSL *session)
{
	const unsigned char *protocol = NULL;
	unsigned int length = 0;

	if (session == NULL)
		return false;
	SSL_get0_alpn_selected(session, &protocol, &length);
	return length == 2 && memcmp(protocol, "h2", 2) == 0;
}
