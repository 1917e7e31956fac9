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
#include "tables/leftovers.h"
#include "tables/transaction.h"
#include "worker/access.h"
#include "worker/copies.h"
#include "worker/look.h"

static void find(void *leftovers);

/* Look. */
void
pgnet_look_run(WorkerSlot *slot)
{
	TableAccess access = {.quiet = true};
	Leftovers	leftovers = {.oldest_response = DT_NOEND};
	Backoff		backoff = {0};
	ErrorData  *error = NULL;
	AccessResult result;

	pgnet_transaction_prepare_session();
	/* the first time to know the tables, the second to look into them */
	result = pgnet_access_run(&access, find, &leftovers, &error);
	access.changed = false;
	if (result == PGNET_ACCESS_GONE && OidIsValid(access.queue))
		result = pgnet_copies_remove(slot, &access, &backoff) ?
			pgnet_access_run(&access, find, &leftovers, &error) :
			PGNET_ACCESS_BUSY;
	/* without the extension nothing was copied */
	if (result == PGNET_ACCESS_GONE)
		pgnet_slot_set_copied(slot, InvalidTransactionId);

	if (leftovers.oldest_response != DT_NOEND)
		leftovers.oldest_response += pgnet_setting_ttl();
	/* with locks or trouble in the way a worker tries again */
	if (result == PGNET_ACCESS_GONE ||
		(result == PGNET_ACCESS_DONE && !leftovers.requests))
		pgnet_slot_settle(slot, leftovers.oldest_response);
	pgnet_slot_leave(slot);
}

/* TableWork: look into the tables. */
static void
find(void *leftovers)
{
	pgnet_leftovers_find(leftovers);
}
