/*
 * resend.c -- resend, cancel: requests that wait or were given up.
 *
 * Runs in: client backends.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/timestamp.h"

#include "api/support.h"
#include "shared/inflight_ids.h"
#include "shared/wakeup.h"
#include "tables/queue/resend.h"

PG_FUNCTION_INFO_V1(pgnet_resend);
PG_FUNCTION_INFO_V1(pgnet_cancel);

static bool lock(FunctionCallInfo fcinfo, LockedRequest *request);

/* resend(request_id, due): null due is now; false: not there, or in flight */
Datum
pgnet_resend(PG_FUNCTION_ARGS)
{
	LockedRequest request;
	TimestampTz due = GetCurrentTimestamp();

	if (!PG_ARGISNULL(1))
		due = PG_GETARG_TIMESTAMPTZ(1);
	if (TIMESTAMP_NOT_FINITE(due))
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("due must not be infinite"));
	if (!lock(fcinfo, &request))
		PG_RETURN_BOOL(false);
	pgnet_request_resend(&request, due);
	pgnet_wakeup_changed_at_commit();
	pgnet_warn_unless_durable();
	PG_RETURN_BOOL(true);
}

/* cancel(request_id): false: not there, or in flight */
Datum
pgnet_cancel(PG_FUNCTION_ARGS)
{
	LockedRequest request;

	if (!lock(fcinfo, &request))
		PG_RETURN_BOOL(false);
	pgnet_request_cancel(&request);
	pgnet_wakeup_changed_at_commit();
	PG_RETURN_BOOL(true);
}

/* Lock the request that the first argument names, if it is not in flight. */
static bool
lock(FunctionCallInfo fcinfo, LockedRequest *request)
{
	DatabaseState *database;
	int64		id;

	pgnet_require_writable(fcinfo);
	database = pgnet_require_served();
	if (PG_ARGISNULL(0))
		return false;
	id = PG_GETARG_INT64(0);
	/* at first without a lock, which would keep its outcome from the tables */
	return !pgnet_inflight_ids_contain(database, id) &&
		pgnet_request_lock(id, request) &&
		!pgnet_inflight_ids_contain(database, id);
}
