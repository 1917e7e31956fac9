/*
 * shard.h -- one libcurl multi handle, with its timer.
 *
 * Runs in: workers.  Nothing here throws.
 */
#ifndef PGNET_SHARD_H
#define PGNET_SHARD_H

#include "postgres.h"

#include <curl/curl.h>

#include "http/sockets.h"

/* In the time of pgnet_shard_now(): libcurl has no timer set. */
#define PGNET_NO_DEADLINE PG_INT64_MAX

typedef struct EngineShard
{
	Sockets    *sockets;		/* of the engine, shared */
	int			index;			/* the owner of its sockets' events */
	CURLM	   *multi;
	int			transfers;		/* which it has */
	int			max_connections;
	bool		used;			/* it has had one */
	bool		frugal;			/* idle connections go before one more comes */
	int64		deadline_us;	/* libcurl's timer */
	bool		touched;		/* libcurl did something since the last reap */
} EngineShard;

/* Make a shard that keeps so many connections; NULL, or what went wrong. */
extern const char *pgnet_shard_init(EngineShard *shard, Sockets *sockets,
									int index, int max_connections);

/* Keep so many connections from now on. */
extern void pgnet_shard_set_max_connections(EngineShard *shard,
											int max_connections);

/* Close idle connections for new ones, or not. */
extern void pgnet_shard_set_frugal(EngineShard *shard, bool frugal);

/* Close all connections of a shard without transfers. */
extern void pgnet_shard_close_idle(EngineShard *shard);

/* Give it a transfer; false when libcurl does not take it. */
extern bool pgnet_shard_add(EngineShard *shard, CURL *easy);

/* Tell libcurl that a socket is ready, or that its timer is due. */
extern void pgnet_shard_socket_ready(EngineShard *shard,
									 const SocketEvent *event);
extern bool pgnet_shard_run_timer(EngineShard *shard, int64 now_us);

/* The next finished transfer, removed from the shard; NULL: no more. */
extern CURL *pgnet_shard_reap(EngineShard *shard, CURLcode *result);

/* A clock that nobody sets back, in microseconds. */
extern int64 pgnet_shard_now(void);

#endif							/* PGNET_SHARD_H */
