/*
 * lane_queue.c -- the waiting rows of one role in one lane, first come first
 * served.
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "worker/lane_queue.h"

static void grow(LaneQueue *queue, MemoryContext context);

LaneRow
pgnet_lane_row(Job *job)
{
	return (LaneRow) {
		.id = job->id,
		.size = job->size,
		.since = job->waits_since,
		.job = job,
	};
}

LaneRow *
pgnet_lane_queue_at(LaneQueue *queue, int index)
{
	return &queue->ring[(queue->first + index) & (queue->capacity - 1)];
}

void
pgnet_lane_queue_push_last(LaneQueue *queue, MemoryContext context,
						   LaneRow row)
{
	grow(queue, context);
	*pgnet_lane_queue_at(queue, queue->count) = row;
	queue->count++;
}

void
pgnet_lane_queue_push_first(LaneQueue *queue, MemoryContext context,
							LaneRow row)
{
	grow(queue, context);
	queue->first = (queue->first - 1) & (queue->capacity - 1);
	*pgnet_lane_queue_at(queue, 0) = row;
	queue->count++;
}

void
pgnet_lane_queue_push_early(LaneQueue *queue, MemoryContext context,
							LaneRow row)
{
	int			index = 0;

	pgnet_lane_queue_push_first(queue, context, row);
	for (; index + 1 < queue->count; index++)
	{
		LaneRow    *next = pgnet_lane_queue_at(queue, index + 1);

		if (next->id > row.id)
			break;
		*pgnet_lane_queue_at(queue, index) = *next;
	}
	*pgnet_lane_queue_at(queue, index) = row;
}

LaneRow
pgnet_lane_queue_pop(LaneQueue *queue)
{
	LaneRow		row = *pgnet_lane_queue_at(queue, 0);

	queue->first = (queue->first + 1) & (queue->capacity - 1);
	queue->count--;
	return row;
}

static void
grow(LaneQueue *queue, MemoryContext context)
{
	int			capacity = Max(queue->capacity * 2, 16);
	LaneRow    *ring;

	if (queue->count < queue->capacity)
		return;
	ring = MemoryContextAllocHuge(context, sizeof(LaneRow) * capacity);
	for (int i = 0; i < queue->count; i++)
		ring[i] = *pgnet_lane_queue_at(queue, i);
	if (queue->ring != NULL)
		pfree(queue->ring);
	queue->ring = ring;
	queue->capacity = capacity;
	queue->first = 0;
}

void
pgnet_lane_queue_free_ring(LaneQueue *queue)
{
	if (queue->ring != NULL)
		pfree(queue->ring);
	queue->ring = NULL;
	queue->capacity = queue->first = 0;
}
