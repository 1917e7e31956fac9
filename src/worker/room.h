/*
 * room.h -- what is in flight, and how much more may be.
 *
 * Runs in: workers.  Inline, and only backlog.c and host_queue.c use it.
 */
#ifndef PGNET_ROOM_H
#define PGNET_ROOM_H

#include "postgres.h"

/* Room that a limit alone decides about. */
#define PGNET_UNRESTRICTED PG_INT32_MAX

typedef struct Room
{
	int			in_flight;
	size_t		bytes;			/* of those in flight */
	int			restricted_to;	/* so many at most, whatever the limit */
} Room;

/* A request takes room, or gives it back. */
static inline void
pgnet_room_take(Room *room, size_t bytes)
{
	room->in_flight++;
	room->bytes += bytes;
}

static inline void
pgnet_room_give_back(Room *room, size_t bytes)
{
	room->in_flight--;
	room->bytes -= bytes;
}

/* Is there room for one more? */
static inline bool
pgnet_room_is_left(const Room *room, int limit)
{
	return room->in_flight < Min(limit, room->restricted_to);
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
