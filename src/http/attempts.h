/*
 * attempts.h -- attempts to connect that libcurl has to be reminded of.
 *
 * Runs in: workers.  Nothing here throws.
 */
#ifndef PGNET_ATTEMPTS_H
#define PGNET_ATTEMPTS_H

#include "postgres.h"

#include <curl/curl.h>

#include "lib/ilist.h"

#include "http/sockets.h"

/* The last attempt of one transfer; one of zeros is none. */
typedef struct Attempt
{
	dlist_node	node;			/* valid while it is under way */
	bool		under_way;
	CURL	   *easy;
	curl_socket_t fd;
	uint64		number;			/* of that socket */
} Attempt;

/* Those of all transfers that have no connection yet. */
typedef struct Attempts
{
	Sockets    *sockets;
	dlist_head	list;
} Attempts;

extern void pgnet_attempts_init(Attempts *attempts, Sockets *sockets);

/* A socket was opened for a transfer to connect. */
extern void pgnet_attempt_begin(Attempts *attempts, Attempt *attempt,
								CURL *easy, curl_socket_t fd);

/* The transfer has a connection, or is over. */
extern void pgnet_attempt_end(Attempt *attempt);

/* Have libcurl make the next attempt where one failed; how many. */
extern int	pgnet_attempts_go_on(Attempts *attempts);

#endif							/* PGNET_ATTEMPTS_H */
