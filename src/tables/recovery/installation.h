/*
 * installation.h -- net._installation, and ids that are not given out again.
 *
 * Runs in: client backends and workers, inside a transaction.
 */
#ifndef PGNET_INSTALLATION_H
#define PGNET_INSTALLATION_H

#include "postgres.h"

/*
 * After a crash or a failover, advance the sequence of ids: it may be where it
 * was some time before, and would give out ids again.  To be called before an
 * id is taken.
 *
 * *done, in shared memory, is true if this was done since the server started;
 * it is read again under a lock.  Does nothing in a transaction that cannot
 * write, as that takes no id.
 */
extern void pgnet_installation_renew_ids(volatile bool *done);

/*
 * Write to net._installation that ids are given out on the current timeline.
 * Runs in: workers.
 */
extern void pgnet_installation_note_timeline(void);

#endif							/* PGNET_INSTALLATION_H */
