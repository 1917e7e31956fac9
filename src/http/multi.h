/*
 * multi.h -- libcurl's multi handle, with its timer.
 *
 * Runs in: workers.  Nothing here throws.
 */
#ifndef PGNET_MULTI_H
#define PGNET_MULTI_H

#include "postgres.h"

#include <curl/curl.h>

#include "http/sockets.h"

/* libcurl has no timer set. */
#define PGNET_NO_DEADLINE PG_INT64_MAX

typedef struct Multi
{
	Sockets    *sockets;
	CURLM	   *handle;
	CURLSH	   *no_connections; /* a share without any, for multi.c */
	int			max_transfers;
	int			transfers;		/* which it has */
	bool		used;			/* it has had one */
	bool		limited;		/* no more connections than transfers */
	int64		deadline_us;	/* libcurl's timer */
	bool		touched;		/* libcurl did something since the last reap */
} Multi;

/*
 * Make one for so many transfers, which keeps as many connections that are
 * idle.  NULL, or what went wrong.
 */
extern const char *pgnet_multi_init(Multi *multi, Sockets *sockets,
									int max_transfers);

/* For so many from now on. */
extern void pgnet_multi_set_max_transfers(Multi *multi, int max_transfers);

/* Close all connections, if none is in use. */
extern void pgnet_multi_renew(Multi *multi);

/* Begin or end to have no more connections than transfers. */
extern void pgnet_multi_limit_connections(Multi *multi, bool limit);

/* Give it a transfer; false when libcurl does not take it. */
extern bool pgnet_multi_add(Multi *multi, CURL *easy);

/* Tell libcurl that a socket is ready, or that its timer is due. */
extern void pgnet_multi_socket_ready(Multi *multi, const SocketEvent *event);
extern bool pgnet_multi_run_timer(Multi *multi);

/* Milliseconds until libcurl's timer is due, rounded up; -1: it has none. */
extern long pgnet_multi_due_ms(const Multi *multi);

/* The next finished transfer, taken back; NULL: no more. */
extern CURL *pgnet_multi_reap(Multi *multi, CURLcode *result);

/* Take back a transfer that has not finished. */
extern void pgnet_multi_remove(Multi *multi, CURL *easy);

#endif							/* PGNET_MULTI_H */
