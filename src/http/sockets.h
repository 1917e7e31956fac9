/*
 * sockets.h -- libcurl's sockets in one epoll descriptor.
 *
 * Runs in: workers.  Nothing here throws.
 */
#ifndef PGNET_SOCKETS_H
#define PGNET_SOCKETS_H

#include "postgres.h"

#include <curl/curl.h>

#include "policy/networks.h"

typedef struct Sockets Sockets;

/* A socket that is ready, with libcurl's CURL_CSELECT_... bits. */
typedef struct SocketEvent
{
	curl_socket_t fd;
	int			ready;
} SocketEvent;

/* NULL, with errno, when the kernel gives no descriptor. */
extern Sockets *pgnet_sockets_create(MemoryContext context, int max_fd);

/*
 * Open a socket for an address; CURL_SOCKET_BAD, with errno, when that fails
 * or takes a descriptor that others need (EMFILE).
 */
extern curl_socket_t pgnet_sockets_open(Sockets *sockets,
										const struct curl_sockaddr *address);

/*
 * The number of an open socket, which no other one ever had; 0 when none is
 * open.  Were some closed since that was asked last?
 */
extern uint64 pgnet_sockets_number(const Sockets *sockets, curl_socket_t fd);
extern bool pgnet_sockets_were_closed(Sockets *sockets);

/* For CURLOPT_CLOSESOCKETFUNCTION. */
extern int	pgnet_sockets_close(void *sockets, curl_socket_t fd);

/*
 * End the connections to these networks that no transfer uses, so that libcurl
 * finds them dead when it looks for one.
 */
extern void pgnet_sockets_shut_down_idle(Sockets *sockets,
										 const Networks *networks);

/* Are many connections there only because libcurl has not looked at them? */
extern bool pgnet_sockets_have_ended(const Sockets *sockets);

/*
 * The socket of the connection with these ends, as libcurl's callbacks show
 * them; CURL_SOCKET_BAD if it is not found.
 */
extern curl_socket_t pgnet_sockets_find(const Sockets *sockets, int local_port,
										const char *remote_ip,
										int remote_port);

/* A socket that may be connected by now, if fd is not CURL_SOCKET_BAD. */
extern void pgnet_sockets_opened(Sockets *sockets, curl_socket_t fd);

/*
 * A request goes out on a connection, which speaks HTTP/2 if it is shared.
 * Did one before?  If not, the server was asked for HTTP/2 if this one wants
 * that.
 */
extern bool pgnet_sockets_use(Sockets *sockets, curl_socket_t fd, bool shared,
							  bool wants_http2);
extern bool pgnet_sockets_asked_for_http2(const Sockets *sockets,
										  curl_socket_t fd);

/* The request on it pauses: what comes meanwhile is for that request. */
extern void pgnet_sockets_pause(Sockets *sockets, curl_socket_t fd);

/*
 * When a connection is closed, set *answered to whether data has come on it
 * since now.  pgnet_sockets_tell_not() ends that; fd may be CURL_SOCKET_BAD
 * there.
 */
extern void pgnet_sockets_tell(Sockets *sockets, curl_socket_t fd,
							   bool *answered);
extern void pgnet_sockets_tell_not(Sockets *sockets, curl_socket_t fd,
								   const bool *answered);

/* Is a socket that pgnet_sockets_open() gave still open? */
extern bool pgnet_sockets_is_open(const Sockets *sockets, curl_socket_t fd);

/* Are there descriptors for one name lookup more? */
extern bool pgnet_sockets_lookup_fits(Sockets *sockets);

/* Do open() and the like fail now, or nearly so? */
extern bool pgnet_sockets_are_short(Sockets *sockets);

/* The one descriptor to wait for. */
extern int	pgnet_sockets_epoll_fd(const Sockets *sockets);

/* Watch fd for what (CURL_POLL_...). */
extern void pgnet_sockets_watch(Sockets *sockets, curl_socket_t fd, int what);

/* What is ready now, without waiting; how many, or 0. */
extern int	pgnet_sockets_poll(Sockets *sockets, SocketEvent *events, int max);

#endif							/* PGNET_SOCKETS_H */
