/*
 * durable.c -- set_durable: what a crash may take.
 *
 * Runs in: client backends.
 */
#include "postgres.h"

#include "fmgr.h"

#include "api/support.h"
#include "tables/recovery/durability.h"

PG_FUNCTION_INFO_V1(pgnet_set_durable);

/* set_durable(): have requests and responses survive a crash, or not. */
Datum
pgnet_set_durable(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				errmsg("durable must be true or false, not null"));
	pgnet_require_writable(fcinfo);
	pgnet_durability_set(PG_GETARG_BOOL(0));
	PG_RETURN_VOID();
}
