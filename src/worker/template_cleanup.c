/*
 * template_cleanup.c -- removing requests that a copy has from its template.
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include "access/transam.h"

#include "tables/callbacks/waiting_calls.h"
#include "tables/recovery/template.h"
#include "worker/template_cleanup.h"

typedef struct Removal
{
	TransactionId made_by;
	int			count;
} Removal;

static void remove_rows(void *removal);

bool
pgnet_template_cleanup_run(WorkerState *worker, TableGuard *guard,
						   Backoff *backoff)
{
	DatabaseState *database = pgnet_worker_database(worker);
	Removal		removal = {
		.made_by = pgnet_database_snapshot(database).copied
	};

	if (!TransactionIdIsValid(removal.made_by))
		return true;
	if (!pgnet_table_guard_try(guard, backoff,
							   "remove requests copied from the template database",
							   remove_rows, &removal))
		return false;
	pgnet_database_set_copied(database, InvalidTransactionId);
	if (removal.count > 0)
		ereport(LOG,
				errmsg_plural("pg_net removed %d request that was copied from the template database",
							  "pg_net removed %d requests that were copied from the template database",
							  removal.count, removal.count),
				errdetail("The template database sends them."));
	return true;
}

/* TableWork of pgnet_template_cleanup_run(). */
static void
remove_rows(void *arg)
{
	Removal    *removal = arg;

	removal->count = pgnet_copied_rows_remove(removal->made_by);
	(void) pgnet_waiting_calls_give_up_copied(removal->made_by);
}
