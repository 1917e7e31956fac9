/*
 * await.c -- net.await(): wait for many requests at once.
 *
 * Runs in: client backends, with the rights of the caller: row security lets
 * a role see its own requests.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "portability/instr_time.h"
#include "utils/array.h"
#include "utils/float.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "api/change.h"
#include "api/support.h"
#include "tables/ids.h"
#include "tables/responses/find_many.h"

/* So many may be waited for at once. */
#define MAX_IDS 10000

PG_FUNCTION_INFO_V1(pgnet_await);

static ManyRequests read_requests(FunctionCallInfo fcinfo);
static int	sort_ids(int64 *ids, int nids);
static void read_at_least(FunctionCallInfo fcinfo, ManyRequests *requests);
static double read_timeout(FunctionCallInfo fcinfo);
static long remaining_ms(instr_time start, double timeout_ms);

/* await(request_ids, at_least, timeout) */
Datum
pgnet_await(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	ManyRequests requests = read_requests(fcinfo);
	double		timeout_ms = read_timeout(fcinfo);
	MemoryContext look_context;
	MemoryContext before;
	DatabaseState *database;
	instr_time	start;

	read_at_least(fcinfo, &requests);
	pgnet_require_readable(fcinfo);
	database = pgnet_require_served();
	InitMaterializedSRF(fcinfo, 0);
	look_context = AllocSetContextCreate(CurrentMemoryContext, "pg_net look",
										 ALLOCSET_DEFAULT_SIZES);
	INSTR_TIME_SET_CURRENT(start);
	for (;;)
	{
		/* read before looking, so that no change goes unnoticed */
		uint32		changes = pgnet_database_changes(database);
		long		rest_ms = remaining_ms(start, timeout_ms);
		bool		over;

		before = MemoryContextSwitchTo(look_context);
		over = pgnet_responses_look(&requests, rest_ms <= 0, result->setDesc,
									result->setResult);
		MemoryContextSwitchTo(before);
		MemoryContextReset(look_context);
		if (over)
			break;
		pgnet_change_wait(database, changes, rest_ms);
	}
	return (Datum) 0;
}

/* The ids; a null array is an empty one, and nulls in it are left out. */
static ManyRequests
read_requests(FunctionCallInfo fcinfo)
{
	ManyRequests requests = {0};
	Datum	   *elements;
	bool	   *nulls;
	int			count = 0;

	if (!PG_ARGISNULL(0))
		deconstruct_array(PG_GETARG_ARRAYTYPE_P(0), INT8OID, sizeof(int64),
						  FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &elements, &nulls,
						  &count);
	requests.ids = palloc(sizeof(int64) * Max(count, 1));
	for (int i = 0; i < count; i++)
		if (!nulls[i])
			requests.ids[requests.nids++] = DatumGetInt64(elements[i]);
	requests.nids = sort_ids(requests.ids, requests.nids);
	if (requests.nids > MAX_IDS)
		ereport(ERROR,
				errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				errmsg("cannot wait for more than %d requests at a time",
					   MAX_IDS));
	requests.open = palloc(sizeof(int64) * Max(requests.nids, 1));
	memcpy(requests.open, requests.ids, sizeof(int64) * requests.nids);
	requests.nopen = requests.nids;
	return requests;
}

/* Put ids in order, each once; how many that makes. */
static int
sort_ids(int64 *ids, int nids)
{
	int			count = 0;

	pgnet_ids_sort(ids, nids);
	for (int i = 0; i < nids; i++)
		if (i == 0 || ids[i] != ids[i - 1])
			ids[count++] = ids[i];
	return count;
}

/* How many must be over; null, or more than there are, means all. */
static void
read_at_least(FunctionCallInfo fcinfo, ManyRequests *requests)
{
	int			at_least = PG_ARGISNULL(1) ? PG_INT32_MAX : PG_GETARG_INT32(1);

	if (at_least < 0)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("at_least must not be negative, not %d", at_least));
	requests->max_open = requests->nids - Min(at_least, requests->nids);
}

/* How long to wait at most, in milliseconds; null means for ever. */
static double
read_timeout(FunctionCallInfo fcinfo)
{
	Interval   *timeout;
	double		days;

	if (PG_ARGISNULL(2))
		return get_float8_infinity();
	timeout = PG_GETARG_INTERVAL_P(2);
	days = (double) timeout->month * DAYS_PER_MONTH + timeout->day;
	days += timeout->time / (double) USECS_PER_DAY;
	if (days < 0)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("timeout must not be negative"));
	return days * SECS_PER_DAY * 1000;
}

/* How much of the timeout is left; 0: nothing. */
static long
remaining_ms(instr_time start, double timeout_ms)
{
	instr_time	now;
	double		rest;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, start);
	rest = timeout_ms - INSTR_TIME_GET_MILLISEC(now);
	if (rest <= 0)
		return 0;
	/* not less than what is left: that would be looks without sleep */
	return rest < PG_INT32_MAX ? (long) rest + 1 : PG_INT32_MAX;
}
