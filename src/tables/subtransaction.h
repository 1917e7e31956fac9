/*
 * subtransaction.h -- work in a subtransaction that always ends.
 *
 * Runs in: client backends and workers, inside a transaction.
 */
#ifndef PGNET_SUBTRANSACTION_H
#define PGNET_SUBTRANSACTION_H

#include "postgres.h"

/* What to do with the subtransaction if its work succeeded. */
typedef enum SubtransactionEnd
{
	PGNET_SUBTRANSACTION_KEEP,
	PGNET_SUBTRANSACTION_ROLL_BACK
} SubtransactionEnd;

typedef void (*SubtransactionWork) (void *arg);

/*
 * Run work(arg) in a subtransaction.  Returns NULL, or a copy of the error that
 * it threw, after which the subtransaction was rolled back.  The copy is in the
 * current memory context, in which work begins as well; memory context and
 * resource owner are restored.  The caller must handle the error or throw it
 * again.
 */
extern ErrorData *pgnet_subtransaction_try(SubtransactionWork work, void *arg,
										   SubtransactionEnd end);

/* The same, but throw the error again. */
extern void pgnet_subtransaction_run(SubtransactionWork work, void *arg,
									 SubtransactionEnd end);

#endif							/* PGNET_SUBTRANSACTION_H */
