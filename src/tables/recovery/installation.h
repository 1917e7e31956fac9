/*
 * installation.h -- net._installation, and ids that are not given out again.
 *
 * Runs in: client backends and workers, inside a transaction.
 */
#ifndef PGNET_INSTALLATION_H
#define PGNET_INSTALLATION_H

#include "postgres.h"

/*
 * See to it that the next id was never given out: after a crash or a failover
 * the sequence may stand where it stood some time before.
 *
 * *done, in shared memory, is true when somebody did since the server started,
 * and is looked at again under a lock.  A transaction that cannot write takes
 * no id and sees to nothing.
 */
extern void pgnet_installation_renew_ids(volatile bool *done);

/* Write down that ids of this timeline are given out.  Runs in: workers. */
extern void pgnet_installation_note_timeline(void);

#endif							/* PGNET_INSTALLATION_H */
