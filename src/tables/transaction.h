/*
 * transaction.h -- the short transactions of the worker.
 *
 * Runs in: workers and probes.  Between pgnet_transaction_begin() and _commit()
 * nothing waits for the network.
 */
#ifndef PGNET_TRANSACTION_H
#define PGNET_TRANSACTION_H

#include "postgres.h"

#include "utils/timestamp.h"

/*
 * Set what the server's configuration must not decide for the worker, before
 * its first transaction.  A second call does nothing.
 */
extern void pgnet_transaction_prepare_session(void);

/* Begin a transaction, with SPI connected and a snapshot taken. */
extern void pgnet_transaction_begin(void);

/* Commit it, and report its statistics. */
extern void pgnet_transaction_commit(void);

/* Abort it after an error, which the caller has copied. */
extern void pgnet_transaction_abort(void);

/* Cancel the current transaction if it takes longer than this from now on. */
extern void pgnet_transaction_allow(int seconds);

/*
 * Is an error transient: will it go away without a change of the tables?  A
 * full disk, a locked row, a deadlock.  Such work is kept and tried again.
 */
extern bool pgnet_is_transient_error(int sqlerrcode);

/*
 * A transaction leaves a timer of PostgreSQL running, which would wake the
 * process later.  _settle(), called at rest, has it fire at once when a moment
 * has passed since the last transaction; _settle_due() is when to call it next,
 * DT_NOEND if there is no need.
 */
extern TimestampTz pgnet_transaction_settle_due(void);
extern void pgnet_transaction_settle(TimestampTz now);

#endif							/* PGNET_TRANSACTION_H */
