/*
 * subtransaction.h -- work in a subtransaction that always ends.
 *
 * Runs in: client backends and workers, inside a transaction.
 */
#ifndef PGNET_SUBTRANSACTION_H
#define PGNET_SUBTRANSACTION_H

#include "postgres.h"

/* What becomes of a subtransaction whose work succeeded. */
typedef enum SubtransactionEnd
{
	PGNET_SUBTRANSACTION_KEEP,
	PGNET_SUBTRANSACTION_ROLL_BACK
} SubtransactionEnd;

typedef void (*SubtransactionWork) (void *arg);

/*
 * Run work(arg) in a subtransaction, and end that.  Returns NULL, or a copy of
 * the error that work threw; the subtransaction is rolled back then.  Memory
 * context and resource owner are the caller's again, and work begins in that
 * context.  An error that the caller does not deal with must be thrown again.
 */
extern ErrorData *pgnet_subtransaction_try(SubtransactionWork work, void *arg,
										   SubtransactionEnd end);

/* The same, and throw the error again. */
extern void pgnet_subtransaction_run(SubtransactionWork work, void *arg,
									 SubtransactionEnd end);

#endif							/* PGNET_SUBTRANSACTION_H */
