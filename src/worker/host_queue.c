/*
 * host_queue.c -- the waiting requests of one host, first come first served.
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "worker/host_queue.h"

static void make_room(HostQueue *host, MemoryContext context);

/* The waiting request at a position. */
Waiting *
pgnet_host_at(HostQueue *host, int index)
{
	return &host->ring[(host->first + index) & (host->capacity - 1)];
}

/* Queue at the end. */
void
pgnet_host_push_last(HostQueue *host, MemoryContext context, Waiting waiting)
{
	make_room(host, context);
	*pgnet_host_at(host, host->count) = waiting;
	host->count++;
}

/* Queue at the front. */
void
pgnet_host_push_first(HostQueue *host, MemoryContext context, Waiting waiting)
{
	make_room(host, context);
	host->first = (host->first - 1) & (host->capacity - 1);
	*pgnet_host_at(host, 0) = waiting;
	host->count++;
}

/* Take the first. */
Waiting
pgnet_host_pop_first(HostQueue *host)
{
	Waiting		waiting = *pgnet_host_at(host, 0);

	host->first = (host->first + 1) & (host->capacity - 1);
	host->count--;
	return waiting;
}

/* Have room for one more. */
static void
make_room(HostQueue *host, MemoryContext context)
{
	int			capacity = Max(host->capacity * 2, 16);
	Waiting    *ring;

	if (host->count < host->capacity)
		return;
	ring = MemoryContextAllocHuge(context, sizeof(Waiting) * capacity);
	for (int i = 0; i < host->count; i++)
		ring[i] = *pgnet_host_at(host, i);
	if (host->ring != NULL)
		pfree(host->ring);
	host->ring = ring;
	host->capacity = capacity;
	host->first = 0;
}

/* Give the memory of an empty queue back. */
void
pgnet_host_free_ring(HostQueue *host)
{
	if (host->ring != NULL)
		pfree(host->ring);
	host->ring = NULL;
	host->capacity = host->first = 0;
}
