/*
 * subtransaction.c -- work in a subtransaction that always ends.
 *
 * Runs in: client backends and workers.
 *
 * A subtransaction that an error passes by stays open: the session is then "in
 * a transaction" that no COMMIT ends, and what it reports as committed is not.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/resowner.h"

#include "tables/subtransaction.h"

/* Run work in a subtransaction, and catch its error. */
ErrorData *
pgnet_subtransaction_try(SubtransactionWork work, void *arg,
						 SubtransactionEnd end)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		work(arg);
		if (end == PGNET_SUBTRANSACTION_KEEP)
			ReleaseCurrentSubTransaction();
		else
			RollbackAndReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return error;
}

/* Run work in a subtransaction, and pass its error on. */
void
pgnet_subtransaction_run(SubtransactionWork work, void *arg,
						 SubtransactionEnd end)
{
	ErrorData  *error = pgnet_subtransaction_try(work, arg, end);

	if (error != NULL)
		ReThrowError(error);
}
