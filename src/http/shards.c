/*
 * shards.c -- all shards of an engine.
 *
 * Runs in: workers.
 *
 * Each shard is one libcurl multi handle with the connections of those hosts
 * that hash to it: a multi handle walks lists whose length is the number of its
 * transfers, so a few small ones are faster than a large one, and a host keeps
 * to its shard so that connections are reused.
 *
 * While descriptors are short one shard gets all transfers: libcurl closes an
 * idle connection for a new one only if both are of the same multi handle.
 */
#include "postgres.h"

#include <curl/curl.h>

#include "http/shards.h"

/* As measured: beyond some 128 active connections a multi handle slows down. */
#define TRANSFERS_PER_SHARD 128

static int	connections_of_each(const Shards *shards, int max_in_flight,
								int max_per_host);

/* Make as many as the transfers need, each large enough for a host. */
const char *
pgnet_shards_init(Shards *shards, Sockets *sockets, int max_in_flight,
				  int max_per_host)
{
	int			of_one = Max(max_per_host, TRANSFERS_PER_SHARD);
	int			connections;

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return "libcurl could not be initialized";
	shards->count = Max(Min(max_in_flight / of_one, PGNET_MAX_SHARDS), 1);
	connections = connections_of_each(shards, max_in_flight, max_per_host);
	for (int i = 0; i < shards->count; i++)
	{
		const char *error = pgnet_shard_init(&shards->each[i], sockets, i,
											 connections);

		if (error != NULL)
			return error;
	}
	return NULL;
}

/* Keep as many idle connections as fit other limits. */
void
pgnet_shards_set_limits(Shards *shards, int max_in_flight, int max_per_host)
{
	int			connections = connections_of_each(shards, max_in_flight,
												  max_per_host);

	for (int i = 0; i < shards->count; i++)
		pgnet_shard_set_max_connections(&shards->each[i], connections);
}

/* Close idle connections for new ones, or not. */
void
pgnet_shards_set_frugal(Shards *shards, bool frugal)
{
	shards->frugal = frugal;
	for (int i = 0; i < shards->count && frugal; i++)
		pgnet_shard_close_idle(&shards->each[i]);
	pgnet_shard_set_frugal(&shards->each[0], frugal);
}

/* The shard whose connections a transfer can use. */
EngineShard *
pgnet_shards_for(Shards *shards, uint64 host_key)
{
	if (shards->frugal)
		return &shards->each[0];
	return &shards->each[host_key % shards->count];
}

/* A shard that gets no more transfers needs no connections. */
void
pgnet_shards_reaped(Shards *shards, EngineShard *shard)
{
	if (shards->frugal && shard != &shards->each[0])
		pgnet_shard_close_idle(shard);
}

/* Run the timers that are due. */
int
pgnet_shards_run_timers(Shards *shards)
{
	int64		now_us = pgnet_shard_now();
	int			ndue = 0;

	for (int i = 0; i < shards->count; i++)
		ndue += pgnet_shard_run_timer(&shards->each[i], now_us);
	return ndue;
}

/* When is the next? */
long
pgnet_shards_due_ms(const Shards *shards)
{
	int64		earliest = PGNET_NO_DEADLINE;
	int64		now_us;

	for (int i = 0; i < shards->count; i++)
		earliest = Min(earliest, shards->each[i].deadline_us);
	if (earliest == PGNET_NO_DEADLINE)
		return -1;
	now_us = pgnet_shard_now();
	return earliest <= now_us ? 0 : (long) ((earliest - now_us + 999) / 1000);
}

/*
 * How many connections each may keep: all together as many as there are
 * descriptors for, and each those of its largest host.
 */
static int
connections_of_each(const Shards *shards, int max_in_flight, int max_per_host)
{
	return Max(max_in_flight / shards->count,
			   Min(max_per_host, max_in_flight));
}
