/*
 * lane_holds.h -- what holds the requests to endpoints, kept between workers.
 *
 * Runs in: workers, and client backends, which read them.
 *
 * The next worker of a database must know how much the last one has sent, and
 * which endpoints fail.  After a crash of the server this is lost.
 */
#ifndef PGNET_LANE_HOLDS_H
#define PGNET_LANE_HOLDS_H

#include "postgres.h"

#include "datatype/timestamp.h"

/* Of a lane, or of a role in it.  All zero: nothing holds. */
typedef struct LaneHold
{
	TimestampTz tat;			/* of a lane: see worker/hold.h */
	TimestampTz failing_since;	/* of a lane: see worker/pause.h */
	TimestampTz failed_at;		/* of a lane: the last attempt that failed */
	TimestampTz held_since;		/* of a lane: it fails, which was logged */
	TimestampTz until;			/* of a role: when to send again */
	int			failures;		/* of a role: failed attempts in a row */
	int			pause_s;		/* of a role: how long the last pause was */
} LaneHold;

/* This many failures of a role in a row begin a pause. */
#define PGNET_FAILURES_TO_BACK_OFF 5

/* For memory.c. */
extern Size pgnet_lane_holds_memory_size(void);
extern void pgnet_lane_holds_memory_init(void *memory, int lock_tranche);

/* Instead of a role: of the lane itself. */
#define PGNET_WHOLE_LANE ((Oid) PG_UINT32_MAX)

/*
 * Read and write the entry of a lane of this database (PGNET_WHOLE_LANE), or of
 * a role in it.  It is all zero if there is none, and removed if it becomes all
 * zero.  Both throw if memory is short.
 */
extern LaneHold pgnet_lane_holds_get(uint64 lane, Oid role);
extern void pgnet_lane_holds_put(uint64 lane, Oid role, const LaneHold *hold);

/* What holds a role in a lane of this database. */
typedef struct RoleHold
{
	uint64		lane;
	LaneHold	hold;
} RoleHold;

/* All of them, palloc'd; how many.  Throws if memory is short. */
extern int	pgnet_lane_holds_list(RoleHold **list);

/* Does it hold the requests of a role now?  A probe goes alone. */
extern bool pgnet_lane_hold_backs_off(const LaneHold *hold);

/* Remove the entries of a database that nobody is connected to. */
extern void pgnet_lane_holds_forget(Oid database);

#endif							/* PGNET_LANE_HOLDS_H */
