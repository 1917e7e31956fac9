/*
 * shards.h -- all shards of an engine.
 *
 * Runs in: workers.  Nothing here throws.
 */
#ifndef PGNET_SHARDS_H
#define PGNET_SHARDS_H

#include "postgres.h"

#include "http/shard.h"
#include "http/sockets.h"

#define PGNET_MAX_SHARDS 16

typedef struct Shards
{
	int			count;
	EngineShard each[PGNET_MAX_SHARDS];
	bool		frugal;			/* the first gets all transfers */
} Shards;

/*
 * Make shards for so many transfers in all and to one host; NULL, or what went
 * wrong.  Their number stays when the limits change.
 */
extern const char *pgnet_shards_init(Shards *shards, Sockets *sockets,
									 int max_in_flight, int max_per_host);
extern void pgnet_shards_set_limits(Shards *shards, int max_in_flight,
									int max_per_host);

/* Idle connections make room for new ones, or not. */
extern void pgnet_shards_set_frugal(Shards *shards, bool frugal);

/* The shard for a transfer to a host. */
extern EngineShard *pgnet_shards_for(Shards *shards, uint64 host_key);

/* Transfers of a shard were reaped. */
extern void pgnet_shards_reaped(Shards *shards, EngineShard *shard);

/* Tell libcurl which timers are due; how many. */
extern int	pgnet_shards_run_timers(Shards *shards);

/* Milliseconds until the next timer of libcurl's, rounded up; -1: none. */
extern long pgnet_shards_due_ms(const Shards *shards);

#endif							/* PGNET_SHARDS_H */
