/*
 * probe.c -- does a database need a worker?
 *
 * Runs in: probes.
 *
 * A probe starts without http/ and the rest of a worker, since most databases
 * have nothing to do: no extension, or no requests.
 */
#include "postgres.h"

#include "access/transam.h"

#include "settings.h"
#include "tables/recovery/installation.h"
#include "tables/recovery/pending.h"
#include "tables/transaction.h"
#include "worker/callbacks.h"
#include "worker/probe.h"
#include "worker/table_guard.h"
#include "worker/template_cleanup.h"

typedef struct Probe
{
	WorkerState *worker;
	PendingWork pending;
} Probe;

static void find(void *probe);

void
pgnet_probe_run(WorkerState *worker)
{
	DatabaseState *database = pgnet_worker_database(worker);
	TableGuard	guard = {.quiet = true};
	Probe		probe = {.worker = worker,
				   .pending = {.next_due = DT_NOEND,
							   .oldest_response = DT_NOEND}};
	PendingWork *pending = &probe.pending;
	Backoff		backoff = {0};
	ErrorData  *error = NULL;
	GuardResult result;

	pgnet_transaction_prepare_session();
	/* the first run notes which tables there are, the second reads them */
	result = pgnet_table_guard_run(&guard, find, &probe, &error);
	guard.changed = false;
	if (result == PGNET_GUARD_GONE && OidIsValid(guard.queue))
		result = pgnet_template_cleanup_run(worker, &guard, &backoff) ?
			pgnet_table_guard_run(&guard, find, &probe, &error) :
			PGNET_GUARD_BUSY;
	/* without the extension nothing was copied */
	if (result == PGNET_GUARD_GONE)
		pgnet_database_set_copied(database, InvalidTransactionId);

	if (pending->oldest_response != DT_NOEND)
		pending->oldest_response += pgnet_setting_ttl();
	/* if the tables were locked or failed, a worker is to try again */
	if (result == PGNET_GUARD_GONE ||
		(result == PGNET_GUARD_DONE && !pending->requests))
		pgnet_worker_set_clean_idle_exit(worker,
										 Min(pending->next_due,
											 pending->oldest_response));
	pgnet_worker_set_clean_exit(database);
}

/* TableWork: find what is pending; see to the ids, as a worker does. */
static void
find(void *arg)
{
	Probe	   *probe = arg;
	DatabaseState *database = pgnet_worker_database(probe->worker);

	pgnet_installation_renew_ids(&database->ids_renewed);
	pgnet_installation_note_timeline();
	pgnet_pending_work_find(&probe->pending);
	pgnet_callbacks_probe(probe->worker);
}
