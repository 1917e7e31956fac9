/*
 * checks.c -- what the constraints of our tables ask.
 *
 * Runs in: client backends.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "policy/hosts.h"

PG_FUNCTION_INFO_V1(pgnet_is_host_pattern);

/* _is_host_pattern(pattern), strict */
Datum
pgnet_is_host_pattern(PG_FUNCTION_ARGS)
{
	char	   *pattern = text_to_cstring(PG_GETARG_TEXT_PP(0));

	PG_RETURN_BOOL(pgnet_host_pattern_valid(pattern));
}
