/*
 * policy.c -- may this role send this request?
 *
 * Runs in: client backends.
 *
 * The worker asks again before it sends: rules may have changed, and rows may
 * have been inserted by hand.
 */
#include "postgres.h"

#include "api/policy.h"
#include "tables/access_rule_rows.h"
#include "tables/secrets.h"

/* Ask all that have a say. */
void
pgnet_policy_require(const QueueRow *row)
{
	char	   *detail = NULL;
	char	   *problem = pgnet_access_problem(row, &detail);

	if (problem != NULL)
		ereport(ERROR,
				errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				errmsg("%s", problem),
				errdetail("%s", detail));
	problem = pgnet_secrets_problem(row);
	if (problem != NULL)
		ereport(ERROR,
				errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				errmsg("%s", problem));
}
