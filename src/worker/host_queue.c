/*
 * host_queue.c -- the waiting requests of one host, first come first served.
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "worker/host_queue.h"

/* Requests on their way to one host, beyond the first. */
#define MAX_IN_FLIGHT_BYTES ((size_t) 64 * 1024 * 1024)

static void grow(HostQueue *host, MemoryContext context);

/* Have a request wait. */
Waiting
pgnet_waiting_of(Job *job)
{
	return (Waiting) {
		.id = job->id,
		.size = job->size,
		.job = job,
	};
}

/* May it send its first request? */
bool
pgnet_host_may_send(HostQueue *host, int limit)
{
	if (host->count == 0 || !pgnet_room_is_left(&host->room, limit))
		return false;
	return host->room.in_flight == 0 ||
		host->room.bytes + pgnet_host_at(host, 0)->size <= MAX_IN_FLIGHT_BYTES;
}

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
	grow(host, context);
	*pgnet_host_at(host, host->count) = waiting;
	host->count++;
}

/* Queue at the front. */
void
pgnet_host_push_first(HostQueue *host, MemoryContext context, Waiting waiting)
{
	grow(host, context);
	host->first = (host->first - 1) & (host->capacity - 1);
	*pgnet_host_at(host, 0) = waiting;
	host->count++;
}

/* Queue at the front, but behind lower ids. */
void
pgnet_host_push_early(HostQueue *host, MemoryContext context, Waiting waiting)
{
	int			place = 0;

	pgnet_host_push_first(host, context, waiting);
	while (place + 1 < host->count &&
		   pgnet_host_at(host, place + 1)->id < waiting.id)
	{
		*pgnet_host_at(host, place) = *pgnet_host_at(host, place + 1);
		place++;
	}
	*pgnet_host_at(host, place) = waiting;
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
grow(HostQueue *host, MemoryContext context)
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
