/*
 * room.h -- what is in flight, and how much more may be.
 *
 * Runs in: workers.  Inline, and only backlog.c and host_queue.c use it.
 */
#ifndef PGNET_ROOM_H
#define PGNET_ROOM_H

#include "postgres.h"

#include "settings.h"
#include "shared/inflight_global.h"

/* Room that a limit alone decides about. */
#define PGNET_UNRESTRICTED PG_INT32_MAX

typedef struct Room
{
	int			in_flight;
	size_t		bytes;			/* of those in flight */
	int			restricted_to;	/* so many at most, whatever the limit */
	WorkerState *counted_in;	/* it counts in the total; NULL: it does not */
} Room;

/* A request takes room, or gives it back. */
static inline void
pgnet_room_take(Room *room, size_t bytes)
{
	room->in_flight++;
	room->bytes += bytes;
	if (room->counted_in != NULL)
		pgnet_inflight_take();
}

static inline void
pgnet_room_give_back(Room *room, size_t bytes)
{
	room->in_flight--;
	room->bytes -= bytes;
	if (room->counted_in != NULL)
		pgnet_inflight_give_back(room->counted_in);
}

/* Is there room for one more? */
static inline bool
pgnet_room_is_left(const Room *room, int limit)
{
	return room->in_flight < Min(limit, room->restricted_to) &&
		(room->counted_in == NULL ||
		 pgnet_inflight_is_left(room->counted_in,
								pgnet_setting_max_in_flight_total));
}

/* Have no room for more than is in flight now. */
static inline void
pgnet_room_restrict(Room *room)
{
	room->restricted_to = room->in_flight;
}

/* Have twice as much; true when the limit alone decides then. */
static inline bool
pgnet_room_relax(Room *room, int limit)
{
	if (room->restricted_to < limit / 2)
		room->restricted_to = Max(room->restricted_to * 2, 1);
	else
		room->restricted_to = PGNET_UNRESTRICTED;
	return room->restricted_to == PGNET_UNRESTRICTED;
}

#endif							/* PGNET_ROOM_H */
