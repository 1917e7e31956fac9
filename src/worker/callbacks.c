/*
 * callbacks.c -- telling the process of the callbacks that it is needed.
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "shared/callback_state.h"
#include "shared/stats.h"
#include "tables/callbacks/waiting_calls.h"
#include "tables/catalog.h"
#include "worker/callbacks.h"

/* What a look finds. */
typedef struct Found
{
	bool		any;
	int64		count;
	Oid			role;			/* of one of them */
	Oid			owner;
} Found;

static void find(void *found);
static void tell(WorkerState *worker, const Found *found);

void
pgnet_callbacks_note_recorded(WorkerState *worker, const Job *job)
{
	if (job->delivery.callback != NULL &&
		job->delivery.disposition != PGNET_AGAIN)
	{
		pgnet_stats_add_waiting_calls(pgnet_worker_database(worker), 1);
		pgnet_callbacks_announce(pgnet_worker_database(worker), job->role,
								 pgnet_catalog_last_owner());
	}
}

/* That is done as the owner of the tables. */
void
pgnet_callbacks_note_pause(WorkerState *worker)
{
	Oid			owner = pgnet_catalog_last_owner();

	pgnet_callbacks_announce(pgnet_worker_database(worker), owner, owner);
}

TimestampTz
pgnet_callbacks_look_due(const CallbackLook *look, const TableGuard *guard)
{
	if (!look->wanted || !OidIsValid(guard->queue))
		return DT_NOEND;
	return pgnet_backoff_after(&look->backoff, DT_NOBEGIN);
}

void
pgnet_callbacks_look(CallbackLook *look, WorkerState *worker,
					 TableGuard *guard)
{
	Found		found = {0};

	if (!pgnet_table_guard_try(guard, &look->backoff, "look for callbacks", find,
							   &found))
		return;
	look->wanted = false;
	tell(worker, &found);
}

void
pgnet_callbacks_probe(WorkerState *worker)
{
	Found		found = {0};

	find(&found);
	tell(worker, &found);
}

/* TableWork: does any row wait? */
static void
find(void *arg)
{
	Found	   *found = arg;

	found->any = pgnet_waiting_calls_next_role(InvalidOid, &found->role);
	found->owner = pgnet_catalog_owner();
	found->count = found->any ? pgnet_waiting_calls_count() : 0;
}

/* Announce them, if there are any. */
static void
tell(WorkerState *worker, const Found *found)
{
	DatabaseState *database = pgnet_worker_database(worker);

	if (found->any)
		pgnet_callbacks_announce_found(database, found->role, found->owner);
	pgnet_stats_set_waiting_calls(database, found->count);
	pgnet_callbacks_set_looked(database);
}
