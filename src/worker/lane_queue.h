/*
 * lane_queue.h -- the waiting rows of one role in one lane, first come first
 * served.
 *
 * Runs in: workers.  A ring that grows; only lanes.c and its parts use it.
 */
#ifndef PGNET_LANE_QUEUE_H
#define PGNET_LANE_QUEUE_H

#include "postgres.h"

#include "lib/ilist.h"

#include "job.h"

/*
 * Rows from an id on that are not known, since there was no room for them:
 * where to read on when there is.  Of a role, or of a queue.
 */
typedef struct Resume
{
	bool		of_role;
	bool		active;
	dlist_node	node;			/* of all that are active */
	int64		from;			/* all that are older are known */
	bool		refilling;		/* the queue is being read for it */
	bool		full;			/* and that brought more than it can take */
} Resume;

/* An origin: what goes to one scheme, host and port. */
typedef struct Lane
{
	uint64		key;			/* hash key: must be first */
	Party		party;
	dlist_head	queues;			/* one for each role that has jobs here */
	int			nqueues;
	int			restricted_to;	/* in flight at most, whatever the limit */
} Lane;

/* The lists that a queue can be in. */
typedef enum QueueState
{
	QUEUE_READY,				/* its first row is in memory, and may go */
	QUEUE_NEEDS_LOAD,			/* it may go, but has to be loaded */
	QUEUE_BLOCKED,				/* until somebody gives something back */
	QUEUE_IDLE					/* nothing waits, or the lane is full */
} QueueState;

/* The lists that are by role. */
#define QUEUE_NLISTS (QUEUE_NEEDS_LOAD + 1)

typedef struct Role
{
	Oid			oid;			/* hash key: must be first */
	Party		party;
	dlist_head	queues[QUEUE_NLISTS];	/* in the order of their turns */
	dlist_node	nodes[QUEUE_NLISTS];	/* among the roles that have such */
	Resume		resume;
} Role;

/* A row that waits. */
typedef struct LaneRow
{
	int64		id;
	size_t		size;			/* of the row, whole */
	Job		   *job;			/* NULL: not loaded */
} LaneRow;

typedef struct LaneQueueKey
{
	uint64		lane;
	uint64		role;			/* an Oid; no padding, this is hashed */
} LaneQueueKey;

typedef struct LaneQueue
{
	LaneQueueKey key;			/* hash key: must be first */
	Holder		holder;
	Lane	   *lane;
	Role	   *role;
	dlist_node	lane_node;		/* in lane->queues */
	QueueState	state;
	dlist_node	node;			/* in the list of that state */
	Resume		resume;

	/* a ring: capacity is a power of two */
	LaneRow    *ring;
	int			capacity;
	int			first;
	int			count;
} LaneQueue;

/* A job as it waits. */
extern LaneRow pgnet_lane_row(Job *job);

/* The waiting row at a position; 0 is the first. */
extern LaneRow *pgnet_lane_queue_at(LaneQueue *queue, int index);

/* Queue at either end; the ring is in context. */
extern void pgnet_lane_queue_push_last(LaneQueue *queue, MemoryContext context,
									   LaneRow row);
extern void pgnet_lane_queue_push_first(LaneQueue *queue, MemoryContext context,
										LaneRow row);

/* Queue at the front, but after those there with a lower id. */
extern void pgnet_lane_queue_push_early(LaneQueue *queue, MemoryContext context,
										LaneRow row);

/* Take the first of a queue that is not empty. */
extern LaneRow pgnet_lane_queue_pop(LaneQueue *queue);

/* Give the memory of an empty queue back. */
extern void pgnet_lane_queue_free_ring(LaneQueue *queue);

#endif							/* PGNET_LANE_QUEUE_H */
