/*
 * old_names.c -- the C functions that the catalog of 0.20 names.
 *
 * Runs in: client backends.
 *
 * A server that is restarted with this library has that catalog until ALTER
 * EXTENSION pg_net UPDATE is run in each database.  In between its functions,
 * which are written in PL/pgSQL, call these.  They were not strict.
 */
#include "postgres.h"

#include "fmgr.h"

PG_FUNCTION_INFO_V1(_urlencode_string);
PG_FUNCTION_INFO_V1(_encode_url_with_params_array);
PG_FUNCTION_INFO_V1(wake);
PG_FUNCTION_INFO_V1(worker_restart);
PG_FUNCTION_INFO_V1(wait_until_running);

extern Datum pgnet_urlencode_string(PG_FUNCTION_ARGS);
extern Datum pgnet_encode_url_with_params_array(PG_FUNCTION_ARGS);
extern Datum pgnet_wake(PG_FUNCTION_ARGS);
extern Datum pgnet_worker_restart(PG_FUNCTION_ARGS);
extern Datum pgnet_wait_until_running(PG_FUNCTION_ARGS);

Datum
_urlencode_string(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	return pgnet_urlencode_string(fcinfo);
}

Datum
_encode_url_with_params_array(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	return pgnet_encode_url_with_params_array(fcinfo);
}

Datum
wake(PG_FUNCTION_ARGS)
{
	return pgnet_wake(fcinfo);
}

Datum
worker_restart(PG_FUNCTION_ARGS)
{
	return pgnet_worker_restart(fcinfo);
}

Datum
wait_until_running(PG_FUNCTION_ARGS)
{
	return pgnet_wait_until_running(fcinfo);
}
