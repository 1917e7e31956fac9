/*
 * lane_holds.h -- what holds the requests to endpoints, kept between workers.
 *
 * Runs in: workers.  A worker that leaves, or is started again, must not forget
 * how much it has sent, and which endpoint fails.  A crash forgets it.
 */
#ifndef PGNET_LANE_HOLDS_H
#define PGNET_LANE_HOLDS_H

#include "postgres.h"

#include "datatype/timestamp.h"

/* Of a lane, or of a role in it.  All zero: nothing holds. */
typedef struct LaneHold
{
	TimestampTz tat;			/* of a lane: see worker/hold.h */
	TimestampTz until;			/* of a role: nothing is sent before */
	int			failures;		/* attempts that failed in a row */
	int			pause_s;		/* the last pause, for the next one */
} LaneHold;

/* For memory.c. */
extern Size pgnet_lane_holds_memory_size(void);
extern void pgnet_lane_holds_memory_init(void *memory, int lock_tranche);

/* In place of a role: what is of all together. */
#define PGNET_WHOLE_LANE ((Oid) PG_UINT32_MAX)

/*
 * Get what is kept of a lane (PGNET_WHOLE_LANE) or a role in it, in this
 * database; put it, to be forgotten if it is all zero.  They throw when memory
 * is out.
 */
extern LaneHold pgnet_lane_holds_get(uint64 lane, Oid role);
extern void pgnet_lane_holds_put(uint64 lane, Oid role, const LaneHold *hold);

/* Nobody is connected to the database: forget what is of it. */
extern void pgnet_lane_holds_forget(Oid database);

#endif							/* PGNET_LANE_HOLDS_H */
