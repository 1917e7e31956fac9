/*
 * pausing.c -- pausing the endpoints that workers found to be paused.
 *
 * Runs in: the process of the callbacks.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "callbacks/pausing.h"
#include "tables/catalog.h"
#include "tables/policy/endpoint_pause.h"
#include "text/convert.h"

/* When to try again: somebody holds a lock; a trigger throws an error. */
#define LOCKED_MS 200
#define FAILED_MS 60000

#define STATUS_GONE 410

static char *reason_of(const Pause *pause);

void
pgnet_pausing_try(Pausing *pausing)
{
	const Pause *pause = &pausing->pause;
	const char *reason = reason_of(pause);
	PauseResult result = PGNET_PAUSE_NEEDLESS;

	if (pgnet_catalog_installed())
		result = pgnet_endpoint_pause(pause->name,
									  (TransactionId) pause->version, reason);
	pausing->over = result != PGNET_PAUSE_LOCKED;
	pausing->reason = result == PGNET_PAUSE_DONE ? reason : NULL;
}

/* Why, as pause_reason says it. */
static char *
reason_of(const Pause *pause)
{
	const char *what = pgnet_text_from_header(pause->error);
	TimestampTz since = pause->since - pause->since % USECS_PER_SEC;

	if (pause->status_code != 0)
		what = psprintf("%d", pause->status_code);
	return psprintf("%s since %s: %s",
					pause->status_code == STATUS_GONE ? "gone" : "no success",
					timestamptz_to_str(since), what);
}

void
pgnet_pausing_end(const Pausing *pausing, const ErrorData *error)
{
	const Pause *pause = &pausing->pause;

	if (error != NULL)
	{
		ereport(WARNING,
				errcode(error->sqlerrcode),
				errmsg("pg_net could not pause endpoint \"%s\": %s",
					   pause->name, error->message),
				errdetail("It tries again every minute, as long as the endpoint fails."),
				error->context ? errcontext("%s", error->context) : 0);
		pgnet_pauses_postpone(pause->lane, FAILED_MS);
	}
	else if (!pausing->over)
		pgnet_pauses_postpone(pause->lane, LOCKED_MS);
	else
		pgnet_pauses_remove(pause->lane);
	if (error == NULL && pausing->reason != NULL)
		ereport(WARNING,
				errmsg("endpoint \"%s\" is paused: %s", pause->name,
					   pausing->reason),
				errdetail("Its requests wait."),
				errhint("When its receiver is well again: UPDATE net.endpoint SET paused = false WHERE name = '%s'",
						pause->name));
}
