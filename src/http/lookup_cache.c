/*
 * lookup_cache.c -- addresses that were found lately.
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include "common/hashfn.h"

#include "http/lookup_cache.h"
#include "http/timers.h"

#define MAX_HOSTS 1024

/* However long a name server says that an answer is good. */
#define MAX_SECONDS 60

static dlist_head *bucket_of(LookupCache *cache, const char *host);
static CachedHost *find(LookupCache *cache, const char *host,
						IpVersion ip_version);
static CachedHost *create(const char *host, IpVersion ip_version,
						  const IpAddress *addresses, int naddresses);
static void add(LookupCache *cache, CachedHost *cached);
static void drop(LookupCache *cache, CachedHost *cached);

/* Start empty. */
void
pgnet_lookup_cache_init(LookupCache *cache)
{
	for (int i = 0; i < PGNET_LOOKUP_CACHE_BUCKETS; i++)
		dlist_init(&cache->buckets[i]);
	dlist_init(&cache->by_age);
	cache->count = 0;
}

/* Find one that is good still. */
const CachedHost *
pgnet_lookup_cache_find(LookupCache *cache, const char *host,
						IpVersion ip_version)
{
	CachedHost *cached = find(cache, host, ip_version);

	if (cached == NULL || cached->until_us > pgnet_monotonic_us())
		return cached;
	drop(cache, cached);
	return NULL;
}

/* Keep one in place of the last one; without memory, none. */
void
pgnet_lookup_cache_keep(LookupCache *cache, const char *host,
						IpVersion ip_version, const IpAddress *addresses,
						int naddresses, int seconds)
{
	CachedHost *cached = find(cache, host, ip_version);

	if (cached != NULL)
		drop(cache, cached);
	if (seconds <= 0)
		return;
	cached = create(host, ip_version, addresses, naddresses);
	if (cached == NULL)
		return;
	cached->until_us = pgnet_monotonic_us() +
		(int64) Min(seconds, MAX_SECONDS) * 1000000;
	add(cache, cached);
}

/* Forget all of a host. */
void
pgnet_lookup_cache_forget(LookupCache *cache, const char *host)
{
	for (int version = PGNET_IP_ANY; version <= PGNET_IP_V6; version++)
	{
		CachedHost *cached = find(cache, host, (IpVersion) version);

		if (cached != NULL)
			drop(cache, cached);
	}
}

/* Hash a host. */
uint32
pgnet_host_hash(const char *host)
{
	return hash_bytes((const unsigned char *) host, (int) strlen(host));
}

/* Where it is, if it is. */
static dlist_head *
bucket_of(LookupCache *cache, const char *host)
{
	return &cache->buckets[pgnet_host_hash(host) %
						   PGNET_LOOKUP_CACHE_BUCKETS];
}

/* Find one, however old. */
static CachedHost *
find(LookupCache *cache, const char *host, IpVersion ip_version)
{
	dlist_iter	iter;

	dlist_foreach(iter, bucket_of(cache, host))
	{
		CachedHost *cached = dlist_container(CachedHost, in_bucket, iter.cur);

		if (cached->ip_version == ip_version && strcmp(cached->host, host) == 0)
			return cached;
	}
	return NULL;
}

/* Copy what is to be kept. */
static CachedHost *
create(const char *host, IpVersion ip_version, const IpAddress *addresses,
	   int naddresses)
{
	size_t		length = strlen(host);
	CachedHost *cached = malloc(offsetof(CachedHost, host) + length + 1);
	size_t		bytes = sizeof(IpAddress) * naddresses;

	if (cached == NULL)
		return NULL;
	cached->ip_version = ip_version;
	cached->naddresses = naddresses;
	memcpy(cached->host, host, length + 1);
	cached->addresses = malloc(bytes);
	if (cached->addresses == NULL)
	{
		free(cached);
		return NULL;
	}
	memcpy(cached->addresses, addresses, bytes);
	return cached;
}

/* Add one; the oldest makes room. */
static void
add(LookupCache *cache, CachedHost *cached)
{
	if (cache->count == MAX_HOSTS)
		drop(cache, dlist_head_element(CachedHost, by_age, &cache->by_age));
	dlist_push_head(bucket_of(cache, cached->host), &cached->in_bucket);
	dlist_push_tail(&cache->by_age, &cached->by_age);
	cache->count++;
}

/* Drop one. */
static void
drop(LookupCache *cache, CachedHost *cached)
{
	dlist_delete(&cached->in_bucket);
	dlist_delete(&cached->by_age);
	cache->count--;
	free(cached->addresses);
	free(cached);
}
