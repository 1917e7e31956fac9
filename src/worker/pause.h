/*
 * pause.h -- finding out that an endpoint is to be paused.
 *
 * Runs in: workers.
 *
 * If its row says so (pause_after), an endpoint is paused when an attempt fails
 * and none of any role has succeeded for that long, counted from the first that
 * failed since.  That counts only while at least one was tried in each quarter
 * of that time: what was not tried may have been well.  A response with the
 * status 410 (Gone; RFC 9110, section 15.5.11) to the bare net://name pauses it
 * at once.  Who does it is callbacks/pausing.h.
 */
#ifndef PGNET_PAUSE_H
#define PGNET_PAUSE_H

#include "postgres.h"

#include "job.h"
#include "worker/lane_queue.h"

/*
 * A request of the lane was sent and has its outcome, which is a failure or
 * not; true: its endpoint is to be paused.
 */
extern bool pgnet_pause_note_outcome(Lane *lane, const Job *job, bool failed,
									 TimestampTz now);

#endif							/* PGNET_PAUSE_H */
