/*
 * shortage.h -- could a request not be sent because a local resource is short?
 *
 * Runs in: workers.  Nothing here throws.
 */
#ifndef PGNET_SHORTAGE_H
#define PGNET_SHORTAGE_H

#include "postgres.h"

#include <curl/curl.h>
#include <netinet/in.h>

#include "exchange.h"
#include "http/sockets.h"

/* What one transfer met while it tried to connect; sockets and easy are set. */
typedef struct ShortageWatch
{
	Sockets    *sockets;
	CURL	   *easy;			/* of the transfer */

	HttpShortage shortage;
	int			shortage_errno;

	/* the last address a socket was opened for */
	union
	{
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} address;
	socklen_t	address_len;	/* 0: none */
	curl_socket_t fd;
} ShortageWatch;

/* For CURLOPT_OPENSOCKETFUNCTION and CURLOPT_RESOLVER_START_FUNCTION. */
extern curl_socket_t pgnet_shortage_open_socket(void *watch,
												curlsocktype purpose,
												struct curl_sockaddr *address);
extern int	pgnet_shortage_before_lookup(void *resolver, void *reserved,
										 void *watch);

/*
 * A transfer of which nothing was sent ended with result, not CURLE_OK, and
 * detail, from CURLOPT_ERRORBUFFER: was it a shortage, kept in watch?
 */
extern bool pgnet_shortage_explains(ShortageWatch *watch, CURLcode result,
									const char *detail);

#endif							/* PGNET_SHORTAGE_H */
