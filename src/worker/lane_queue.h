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
#include "lib/pairingheap.h"

#include "job.h"
#include "policy/lane_policy.h"
#include "shared/lane_holds.h"
#include "shared/lane_stats.h"

/*
 * From which id on rows of a role, or of a lane queue, are not known because
 * there was no room for them: see refill.h.
 */
typedef struct Resume
{
	bool		of_role;
	bool		active;
	dlist_node	node;			/* of all that are active */
	int64		from;			/* all that are older are known */
	bool		refilling;		/* the table is being read for it */
	bool		full;			/* that found more than it has room for */
	int64		missed;			/* refused where that has passed already */
} Resume;

/*
 * What goes to one scheme, host and port; or to one endpoint, which may have
 * limits of its own.
 */
typedef struct Lane
{
	uint64		key;			/* hash key: must be first */
	Party		party;
	dlist_head	queues;			/* one for each role that has jobs here */
	int			nqueues;
	int			restricted_to;	/* in flight at most, below the limit */

	LaneStatsRef stats;			/* its counters */
	bool		is_changed;		/* since its numbers of rows were published */
	dlist_node	changed_node;	/* in LaneTable.changed, if it is */

	char	   *endpoint;		/* net://name; NULL: it is no endpoint's */
	LanePolicy	policy;
	LaneHold	hold;
} Lane;

/* The list that a lane queue is in. */
typedef enum QueueState
{
	QUEUE_READY,				/* its first row is in memory, and may go */
	QUEUE_NEEDS_LOAD,			/* it may go, but has to be loaded */
	QUEUE_BLOCKED,				/* until somebody gives something back */
	QUEUE_HELD,					/* until a time: see hold.h */
	QUEUE_IDLE					/* nothing waits, or the lane is full */
} QueueState;

/* Lists of these states are by role. */
#define QUEUE_NLISTS (QUEUE_NEEDS_LOAD + 1)

typedef struct Role
{
	Oid			oid;			/* hash key: must be first */
	Party		party;
	dlist_head	queues[QUEUE_NLISTS];	/* in the order of their turns */
	dlist_node	nodes[QUEUE_NLISTS];	/* in Dispatch.having */
	Resume		resume;
} Role;

/* A row that waits. */
typedef struct LaneRow
{
	int64		id;
	size_t		size;			/* of the row, whole */
	TimestampTz since;			/* it waits */
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

	LaneHold	hold;			/* in a lane with a policy */
	TimestampTz held_until;		/* while it is held */
	pairingheap_node held_node; /* in Dispatch.held */

	/* a ring: capacity is a power of two */
	LaneRow    *ring;
	int			capacity;
	int			first;
	int			count;
} LaneQueue;

/* A loaded job as a row that waits. */
extern LaneRow pgnet_lane_row(Job *job);

/* The waiting row at a position; 0 is the first. */
extern LaneRow *pgnet_lane_queue_at(LaneQueue *queue, int index);

/* Add a row at the end or at the front.  The ring is allocated in context. */
extern void pgnet_lane_queue_push_last(LaneQueue *queue, MemoryContext context,
									   LaneRow row);
extern void pgnet_lane_queue_push_first(LaneQueue *queue, MemoryContext context,
										LaneRow row);

/* Add it at the front, but after rows there that have a lower id. */
extern void pgnet_lane_queue_push_early(LaneQueue *queue, MemoryContext context,
										LaneRow row);

/* Remove and return the first row; the queue is not empty. */
extern LaneRow pgnet_lane_queue_pop(LaneQueue *queue);

/* Free the ring of an empty queue. */
extern void pgnet_lane_queue_free_ring(LaneQueue *queue);

#endif							/* PGNET_LANE_QUEUE_H */
