/*
 * subtransaction.c -- work in a subtransaction that always ends.
 *
 * Runs in: client backends and workers.
 *
 * If an error left a subtransaction open, the session would stay in it: COMMIT
 * would end the subtransaction only, and what it reports as committed is not.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/resowner.h"

#include "tables/subtransaction.h"

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

void
pgnet_subtransaction_run(SubtransactionWork work, void *arg,
						 SubtransactionEnd end)
{
	ErrorData  *error = pgnet_subtransaction_try(work, arg, end);

	if (error != NULL)
		ReThrowError(error);
}
