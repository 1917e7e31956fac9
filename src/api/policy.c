/*
 * policy.c -- may this role send this request?
 *
 * Runs in: client backends.
 *
 * The worker asks again before it sends: rules may have changed, and rows may
 * have been inserted by hand.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "api/policy.h"
#include "endpoint_url.h"
#include "settings.h"
#include "shared/quota.h"
#include "shared/registry.h"
#include "tables/policy/access_rule_rows.h"
#include "tables/policy/endpoints.h"
#include "tables/policy/secrets.h"

static const char *require_target(const QueueRow *row);
static void take_quota(const QueueRow *row);

/* Ask all that have a say. */
void
pgnet_policy_require(const QueueRow *row)
{
	const char *target = require_target(row);
	char	   *problem = pgnet_secrets_problem(row, target);

	if (problem != NULL)
		ereport(ERROR,
				errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				errmsg("%s", problem));
	take_quota(row);
}

/* May it go where it goes?  Scheme, host and port of that are in the result. */
static const char *
require_target(const QueueRow *row)
{
	char	   *detail = NULL;
	char	   *target = NULL;
	char	   *problem;

	/* the endpoint is the permission: no rule is asked */
	if (pgnet_url_is_endpoint(row->url))
		problem = pgnet_endpoints_problem(row, &target);
	else
		problem = pgnet_access_problem(row, pgnet_setting_require_access_rule,
									   &detail);
	if (problem != NULL)
		ereport(ERROR,
				errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				errmsg("%s", problem),
				detail ? errdetail("%s", detail) : 0);
	return target ? target : row->url;
}

/* Count the row as one more that waits, if there is room. */
static void
take_quota(const QueueRow *row)
{
	uint64		max_bytes = (uint64) pgnet_setting_max_waiting_size << 20;
	uint64		size = pgnet_queue_row_size(row);
	uint64		rows;
	uint64		bytes;

	if (pgnet_quota_take(row->role, size, pgnet_setting_max_waiting, max_bytes,
						 &rows, &bytes))
		return;
	/* whatever the number is, it does not stay so without a worker */
	pgnet_database_request_start(pgnet_registry_own());
	ereport(ERROR,
			errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			errmsg("role \"%s\" has reached its limit of queued requests",
				   GetUserNameFromId(row->role, false)),
			pgnet_setting_max_waiting != 0 &&
					rows >= (uint64) pgnet_setting_max_waiting ?
				errdetail_plural(UINT64_FORMAT " request is queued, and pg_net.max_waiting_per_role is %d.",
								 UINT64_FORMAT " requests are queued, and pg_net.max_waiting_per_role is %d.",
								 rows, rows, pgnet_setting_max_waiting) :
				errdetail_plural(UINT64_FORMAT " request with " UINT64_FORMAT " kB is queued, this one has " UINT64_FORMAT " kB, and pg_net.max_waiting_size_per_role is %d MB.",
								 UINT64_FORMAT " requests with " UINT64_FORMAT " kB are queued, this one has " UINT64_FORMAT " kB, and pg_net.max_waiting_size_per_role is %d MB.",
								 rows, rows, bytes / 1024, size / 1024,
								 pgnet_setting_max_waiting_size),
			errhint("Try again after some of them have been sent, or raise that setting for the role."));
}
