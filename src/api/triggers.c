/*
 * triggers.c -- functions of the triggers of our tables.
 *
 * Runs in: client backends, and what replicates or changes rows like them.
 */
#include "postgres.h"

#include "commands/trigger.h"
#include "fmgr.h"
#include "replication/logicalworker.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"

#include "api/support.h"
#include "shared/wakeup.h"
#include "shared/worker_state.h"
#include "tables/queue/queue.h"
#include "tables/recovery/installation.h"

PG_FUNCTION_INFO_V1(pgnet_queue_insert_trigger);
PG_FUNCTION_INFO_V1(pgnet_queue_changed);
PG_FUNCTION_INFO_V1(pgnet_policy_changed);
PG_FUNCTION_INFO_V1(pgnet_not_replicated);

static void require_trigger(FunctionCallInfo fcinfo, const char *problem);
static bool replicates(void);

/*
 * Trigger of the queue, before each statement that inserts: see to the ids
 * before the default of the column takes one.
 */
Datum
pgnet_queue_insert_trigger(PG_FUNCTION_ARGS)
{
	DatabaseState *database;

	require_trigger(fcinfo,
					"net._queue_insert() is a trigger of net.http_request_queue");
	database = pgnet_require_served();
	if (!database->ids_renewed)
		pgnet_installation_renew_ids(&database->ids_renewed);
	PG_RETURN_POINTER(NULL);
}

/*
 * Trigger of the queue, for each statement that updates, deletes or truncates:
 * have the worker drop what it read ahead, so that a row removed before its
 * turn is not sent.
 */
Datum
pgnet_queue_changed(PG_FUNCTION_ARGS)
{
	require_trigger(fcinfo,
					"net._queue_changed() is a trigger of net.http_request_queue");
	if (pgnet_registry_available() && !pgnet_worker_is_me() &&
		pgnet_registry_find_own() != NULL)
		pgnet_wakeup_changed_at_commit();
	PG_RETURN_POINTER(NULL);
}

/*
 * Trigger of tables that say who may do what, for each statement: have every
 * session forget what it knows of them, and the worker judge again what waits.
 */
Datum
pgnet_policy_changed(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	require_trigger(fcinfo,
					"net._policy_changed() is a trigger of net.access_rule, net.secret and net.endpoint");
	CacheInvalidateRelcache(trigger->tg_relation);
	if (pgnet_registry_available())
		pgnet_wakeup_changed_at_commit();
	PG_RETURN_POINTER(NULL);
}

/*
 * Trigger of tables that are of this server only, for each row that would be
 * written in the role of a replica: leave out what another server replicates.
 * Works without the library being preloaded, as a subscriber may be.
 */
Datum
pgnet_not_replicated(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	require_trigger(fcinfo,
					"net._not_replicated() is a trigger of tables of pg_net");
	if (replicates())
		PG_RETURN_POINTER(NULL);
	PG_RETURN_POINTER(TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ?
						  trigger->tg_newtuple :
						  trigger->tg_trigtuple);
}

/* Refuse to be called by hand. */
static void
require_trigger(FunctionCallInfo fcinfo, const char *problem)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				errmsg("%s", problem));
}

/*
 * Is this the work of a subscription, or of another tool that says where its
 * changes are from?  A trigger that makes a call there is not.
 */
static bool
replicates(void)
{
	const Oid	has_origin = F_PG_REPLICATION_ORIGIN_SESSION_IS_SETUP;

	return !pgnet_queue_is_inserting() &&
		(IsLogicalWorker() || DatumGetBool(OidFunctionCall0(has_origin)));
}
