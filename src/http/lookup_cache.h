/*
 * lookup_cache.h -- addresses that were found lately.
 *
 * Runs in: workers.  Nothing here throws; memory is from malloc().
 */
#ifndef PGNET_LOOKUP_CACHE_H
#define PGNET_LOOKUP_CACHE_H

#include "postgres.h"

#include "lib/ilist.h"

#include "exchange.h"
#include "http/resolver.h"

/* Power of 2; for as many hosts as are kept. */
#define PGNET_LOOKUP_CACHE_BUCKETS 1024

/* The addresses of one host. */
typedef struct CachedHost
{
	dlist_node	in_bucket;
	dlist_node	by_age;
	int64		until_us;		/* by pgnet_monotonic_us() */
	IpVersion	ip_version;
	int			naddresses;
	IpAddress  *addresses;
	char		host[FLEXIBLE_ARRAY_MEMBER];
} CachedHost;

typedef struct LookupCache
{
	dlist_head	buckets[PGNET_LOOKUP_CACHE_BUCKETS];
	dlist_head	by_age;			/* the oldest first */
	int			count;
} LookupCache;

extern void pgnet_lookup_cache_init(LookupCache *cache);

/* What is known of a host; NULL: nothing.  Good until the next call. */
extern const CachedHost *pgnet_lookup_cache_find(LookupCache *cache,
												 const char *host,
												 IpVersion ip_version);

/* Keep addresses for some seconds, but no longer than a minute. */
extern void pgnet_lookup_cache_keep(LookupCache *cache, const char *host,
									IpVersion ip_version,
									const IpAddress *addresses, int naddresses,
									int seconds);

/* Forget a host. */
extern void pgnet_lookup_cache_forget(LookupCache *cache, const char *host);

/* The hash of a host, for tables like this. */
extern uint32 pgnet_host_hash(const char *host);

#endif							/* PGNET_LOOKUP_CACHE_H */
