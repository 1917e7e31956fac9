/*
 * suspects.h -- requests that may have killed the worker.
 *
 * Runs in: workers.  When the worker before this one died, every request that
 * waited then is suspect.  A suspect is written down as in flight before it is
 * sent; when the worker dies again, those written down have one death more.
 * With three deaths a request is given up.  After a clean start all of
 * this is one look at an empty table.
 */
#ifndef PGNET_SUSPECTS_H
#define PGNET_SUSPECTS_H

#include "postgres.h"

#include "http/engine.h"
#include "shared/worker_state.h"
#include "worker/access.h"
#include "worker/lanes.h"

typedef struct Suspects Suspects;

extern Suspects *pgnet_suspects_create(MemoryContext parent, Jobs *jobs,
									   Lanes *lanes);

/* The tables are others: forget everybody. */
extern void pgnet_suspects_clear(Suspects *suspects);

/* This worker leaves alive. */
extern void pgnet_suspects_leave(Suspects *suspects);

/*
 * Know who is suspect, before the queue is read for the first time; false:
 * not now, and backoff may say when to try again.
 */
extern bool pgnet_suspects_know(Suspects *suspects, TableAccess *access,
								Backoff *backoff);

/*
 * Take over a request that was read, if its turn must wait for other suspects.
 * One with too many deaths is not taken, but decided.
 */
extern bool pgnet_suspects_defer(Suspects *suspects, Job *job);

/* Take over a request about to be sent, if it has to be written down first. */
extern bool pgnet_suspects_take(Suspects *suspects, Job *job);

/* Write down those taken and send them; let others have their turn. */
extern void pgnet_suspects_send(Suspects *suspects, TableAccess *access,
								HttpEngine *engine, TimestampTz now);

/* A request is not in flight any more. */
extern void pgnet_suspects_finished(Suspects *suspects,
									const Job *job);

/* Nor is one that was not sent; it is as suspect as before. */
extern void pgnet_suspects_not_sent(Suspects *suspects,
									const Job *job);

/*
 * Do other requests wait, since some with deaths are, or are about to be, in
 * flight?  For a while only: then a death does not count for those.
 */
extern bool pgnet_suspects_hold_up(const Suspects *suspects, TimestampTz now);

/* When would pgnet_suspects_send() do something?  DT_NOEND: never. */
extern TimestampTz pgnet_suspects_due(Suspects *suspects, TimestampTz now);

#endif							/* PGNET_SUSPECTS_H */
