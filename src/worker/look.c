/*
 * look.c -- a first look at a database, when the server starts or it is a copy.
 *
 * Runs in: processes that look.
 *
 * Without libcurl and the rest of a worker, since most databases have nothing
 * to do: no extension, or no requests.
 */
#include "postgres.h"

#include "access/transam.h"

#include "settings.h"
#include "tables/recovery/installation.h"
#include "tables/recovery/pending.h"
#include "tables/transaction.h"
#include "worker/access.h"
#include "worker/copies.h"
#include "worker/look.h"

/* What is looked for. */
typedef struct Look
{
	WorkerState *worker;
	Leftovers	leftovers;
} Look;

static void find(void *look);

void
pgnet_look_run(WorkerState *worker)
{
	DatabaseState *database = pgnet_worker_database(worker);
	TableAccess access = {.quiet = true};
	Look		look = {.worker = worker,
				 .leftovers = {.oldest_response = DT_NOEND}};
	Leftovers  *leftovers = &look.leftovers;
	Backoff		backoff = {0};
	ErrorData  *error = NULL;
	AccessResult result;

	pgnet_transaction_prepare_session();
	/* the first time to know the tables, the second to look into them */
	result = pgnet_access_run(&access, find, &look, &error);
	access.changed = false;
	if (result == PGNET_ACCESS_GONE && OidIsValid(access.queue))
		result = pgnet_copies_remove(worker, &access, &backoff) ?
			pgnet_access_run(&access, find, &look, &error) :
			PGNET_ACCESS_BUSY;
	/* without the extension nothing was copied */
	if (result == PGNET_ACCESS_GONE)
		pgnet_database_set_copied(database, InvalidTransactionId);

	if (leftovers->oldest_response != DT_NOEND)
		leftovers->oldest_response += pgnet_setting_ttl();
	/* with locks or trouble in the way a worker tries again */
	if (result == PGNET_ACCESS_GONE ||
		(result == PGNET_ACCESS_DONE && !leftovers->requests))
		pgnet_worker_set_clean_idle_exit(worker, leftovers->oldest_response);
	pgnet_worker_set_clean_exit(database);
}

/* TableWork: look into the tables, and see to the ids like a worker. */
static void
find(void *arg)
{
	Look	   *look = arg;
	DatabaseState *database = pgnet_worker_database(look->worker);

	pgnet_installation_renew_ids(&database->ids_renewed);
	pgnet_installation_note_timeline();
	pgnet_leftovers_find(&look->leftovers);
}
