/*
 * quarantine.h -- careful mode: sending what may have killed the worker.
 *
 * Runs in: workers.
 *
 * After a death of the worker, the next one sends what waited at that time in
 * careful mode: it first commits the ids of the requests to net._installation,
 * so that another death is charged to them.  The more deaths a request has, the
 * fewer others are in flight together with it; with three it is given up.  If
 * the worker before exited cleanly, all this costs is to read one row.
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

/* The tables were replaced: forget everything, and discard unsent jobs. */
extern void pgnet_quarantine_clear(Quarantine *quarantine);

/* The worker exits cleanly: nothing is to be charged to what is in flight. */
extern void pgnet_quarantine_leave(Quarantine *quarantine,
								   TableGuard *guard);

/*
 * To be called before the queue is read; the first time, find out whether the
 * worker before died, and charge that.  False: try again later, by backoff.
 */
extern bool pgnet_quarantine_begin(Quarantine *quarantine, TableGuard *guard,
								   Backoff *backoff);

/*
 * Take over a job that was read, if it has deaths, until its turn comes.  Not
 * taken, but failed, is one with too many.
 */
extern bool pgnet_quarantine_defer(Quarantine *quarantine, Job *job);

/* Take over a prepared job, if it has to be written down before it is sent. */
extern bool pgnet_quarantine_take(Quarantine *quarantine, Job *job);

/* Put those taken back into their lanes: rows may have changed. */
extern void pgnet_quarantine_put_back(Quarantine *quarantine);

/* Write down those taken and send them; admit those whose turn has come. */
extern void pgnet_quarantine_send(Quarantine *quarantine, TableGuard *guard,
								  HttpEngine *engine, TimestampTz now);

/* A job has its outcome; or it could not be sent, and waits again. */
extern void pgnet_quarantine_finished(Quarantine *quarantine, const Job *job);
extern void pgnet_quarantine_not_sent(Quarantine *quarantine, const Job *job);

/*
 * Do requests without deaths have to wait, because some with deaths are or will
 * be in flight?  For a limited time; after it, a death is charged to none of
 * those with deaths.
 */
extern bool pgnet_quarantine_holds_up(const Quarantine *quarantine,
									  TimestampTz now);

/* When would pgnet_quarantine_send() do something?  DT_NOEND: never. */
extern TimestampTz pgnet_quarantine_due(Quarantine *quarantine,
										TimestampTz now);

#endif							/* PGNET_QUARANTINE_H */
