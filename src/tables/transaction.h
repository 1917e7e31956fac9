/*
 * transaction.h -- the short transactions the worker lives by.
 *
 * Runs in: workers.  Between pgnet_transaction_begin() and _commit() nothing
 * waits for the network.
 */
#ifndef PGNET_TRANSACTION_H
#define PGNET_TRANSACTION_H

#include "postgres.h"

#include "utils/timestamp.h"

extern void pgnet_transaction_prepare_session(void);
extern void pgnet_transaction_begin(void);
extern void pgnet_transaction_commit(void);
extern void pgnet_transaction_abort(void);

/* Let the current transaction take up to so many seconds from now. */
extern void pgnet_transaction_allow(int seconds);

/*
 * Will an error go away without anybody changing the tables?  A full disk, a
 * row that is locked, a deadlock: such work is kept and tried again.
 */
extern bool pgnet_trouble_passes(int sqlerrcode);

/*
 * A transaction leaves a timer behind.  When nothing else happens until it is
 * due, settle, and the process sleeps undisturbed from then on.
 */
extern TimestampTz pgnet_transaction_settle_due(void);
extern void pgnet_transaction_settle(TimestampTz now);

#endif							/* PGNET_TRANSACTION_H */
