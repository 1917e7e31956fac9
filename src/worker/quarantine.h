/*
 * quarantine.h -- careful mode: sending what may have killed the worker.
 *
 * Runs in: workers.  When the worker before this one died, what waited then is
 * sent with care: the ids of those in flight are written down first, so that
 * another death is charged to them.  The more deaths a request has, the fewer
 * others are in flight with it; with three it is given up.  After a clean start
 * all of this is one look at a row.
 */
#ifndef PGNET_QUARANTINE_H
#define PGNET_QUARANTINE_H

#include "postgres.h"

#include "http/engine.h"
#include "worker/lanes.h"
#include "worker/table_guard.h"

typedef struct Quarantine Quarantine;

extern Quarantine *pgnet_quarantine_create(MemoryContext parent, Jobs *jobs,
										   Lanes *lanes);

/* The tables are others: forget everything. */
extern void pgnet_quarantine_clear(Quarantine *quarantine);

/* This worker leaves alive: what is in flight did not kill it. */
extern void pgnet_quarantine_leave(Quarantine *quarantine,
								   TableGuard *guard);

/*
 * Find out whether the worker before died, and charge that, before the queue is
 * read for the first time; false: not now, and backoff may say when to try
 * again.
 */
extern bool pgnet_quarantine_begin(Quarantine *quarantine, TableGuard *guard,
								   Backoff *backoff);

/*
 * Take over a job that was read, and has deaths, until its turn comes.  One
 * with too many is not taken, but decided.
 */
extern bool pgnet_quarantine_defer(Quarantine *quarantine, Job *job);

/* Take over a prepared job that has to be written down before it is sent. */
extern bool pgnet_quarantine_take(Quarantine *quarantine, Job *job);

/* Have those taken wait in their lanes again: rows may have changed. */
extern void pgnet_quarantine_put_back(Quarantine *quarantine);

/* Write down those taken and send them; let others have their turn. */
extern void pgnet_quarantine_send(Quarantine *quarantine, TableGuard *guard,
								  HttpEngine *engine, TimestampTz now);

/* A job is not in flight any more; or it was not sent, and waits again. */
extern void pgnet_quarantine_finished(Quarantine *quarantine, const Job *job);
extern void pgnet_quarantine_not_sent(Quarantine *quarantine, const Job *job);

/*
 * Do other requests wait, since some with deaths are, or are about to be, in
 * flight?  For a while only: then a death is not charged to those.
 */
extern bool pgnet_quarantine_holds_up(const Quarantine *quarantine,
									  TimestampTz now);

/* When would pgnet_quarantine_send() do something?  DT_NOEND: never. */
extern TimestampTz pgnet_quarantine_due(Quarantine *quarantine,
										TimestampTz now);

#endif							/* PGNET_QUARANTINE_H */
