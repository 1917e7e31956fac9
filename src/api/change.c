/*
 * change.c -- sleep until a request of this database may have come to its end.
 *
 * Runs in: client backends.
 */
#include "postgres.h"

#include "storage/condition_variable.h"

#include "api/change.h"
#include "compat.h"

/*
 * Those who wait are told when something is recorded or removed.  What nobody
 * tells them is that the extension was dropped: look for that this often.
 */
#define LOOK_AGAIN_MS 1000

void
pgnet_change_wait(DatabaseState *database, uint32 changes, long max_ms)
{
	static uint32 wait_event = 0;
	uint32		event = pgnet_wait_event(&wait_event, "PgNetResponse");

	ConditionVariablePrepareToSleep(&database->changed);
	while (pgnet_database_changes(database) == changes)
		if (ConditionVariableTimedSleep(&database->changed,
										Min(max_ms, LOOK_AGAIN_MS), event))
			break;
	ConditionVariableCancelSleep();
}
