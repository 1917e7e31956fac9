/*
 * host_queue.h -- the waiting requests of one host, first come first served.
 *
 * Runs in: workers.  A ring that grows; only backlog.c uses it.
 */
#ifndef PGNET_HOST_QUEUE_H
#define PGNET_HOST_QUEUE_H

#include "postgres.h"

#include "lib/ilist.h"

#include "job.h"
#include "worker/room.h"

typedef struct Waiting
{
	int64		id;
	size_t		size;			/* of the row, whole */
	Job		   *job;			/* NULL: not loaded */
} Waiting;

typedef enum HostPlace
{
	HOST_NOWHERE,
	HOST_READY,
	HOST_HUNGRY
} HostPlace;

typedef struct HostQueue
{
	uint64		key;			/* hash key: must be first */
	HostPlace	place;
	dlist_node	node;			/* in the list of its place */
	Room		room;

	/* a ring: capacity is a power of two */
	Waiting    *ring;
	int			capacity;
	int			first;
	int			count;
} HostQueue;

/* A request, whole, as it waits. */
extern Waiting pgnet_waiting_of(Job *job);

/* Has it something to send, and may it, so many at a time? */
extern bool pgnet_host_may_send(HostQueue *host, int limit);

/* The waiting request at a position; 0 is the first. */
extern Waiting *pgnet_host_at(HostQueue *host, int index);

/* Queue at either end; the ring is in context. */
extern void pgnet_host_push_last(HostQueue *host, MemoryContext context,
								 Waiting waiting);
extern void pgnet_host_push_first(HostQueue *host, MemoryContext context,
								  Waiting waiting);

/* Queue at the front, but behind those there with a lower id. */
extern void pgnet_host_push_early(HostQueue *host, MemoryContext context,
								  Waiting waiting);

/* Take the first of a queue that is not empty. */
extern Waiting pgnet_host_pop_first(HostQueue *host);

/* Give the memory of an empty queue back. */
extern void pgnet_host_free_ring(HostQueue *host);

#endif							/* PGNET_HOST_QUEUE_H */
