/*
 * stats.c -- what the views of the statistics are made of; stat_reset.
 *
 * Runs in: client backends.
 *
 * Everybody may call these functions, so they show to each role only what it
 * may see in the views.
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "commands/dbcommands.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "api/support.h"
#include "clock.h"
#include "endpoint_url.h"
#include "shared/inbox.h"
#include "shared/inflight_ids.h"
#include "shared/lane_holds.h"
#include "shared/lane_stats.h"
#include "shared/launcher_state.h"
#include "shared/quota.h"
#include "shared/stats.h"
#include "tables/catalog.h"
#include "tables/policy/endpoint_list.h"
#include "tables/queue/attempt_log.h"
#include "tables/recovery/durability.h"
#include "url_target.h"

PG_FUNCTION_INFO_V1(pgnet_stat_worker);
PG_FUNCTION_INFO_V1(pgnet_stat_endpoint);
PG_FUNCTION_INFO_V1(pgnet_stat_reset);
PG_FUNCTION_INFO_V1(pgnet_stat_in_flight);
PG_FUNCTION_INFO_V1(pgnet_stat_is_held);
PG_FUNCTION_INFO_V1(pgnet_stat_attempts);
PG_FUNCTION_INFO_V1(pgnet_stat_sees_all);
PG_FUNCTION_INFO_V1(pgnet_stat_url);
PG_FUNCTION_INFO_V1(pgnet_endpoint_name);

/* The columns of net.stat_worker, in order. */
enum
{
	WORKER_DATNAME,
	WORKER_PIDS,
	WORKER_WAITING,
	WORKER_IN_FLIGHT,
	WORKER_SCHEDULED,
	WORKER_GAVE_UP,
	WORKER_CALLBACKS_WAITING,
	WORKER_OLDEST_WAITING,
	WORKER_NEXT_DUE,
	WORKER_SENT,
	WORKER_DONE,
	WORKER_FAILED,
	WORKER_RETRIED,
	WORKER_GIVEN_UP,
	WORKER_CALLED,
	WORKER_CALL_ERRORS,
	WORKER_RECORD_BATCHES,
	WORKER_RECORD_MS,
	WORKER_SHORT_OF,
	WORKER_DURABLE,
	WORKER_LAST_ERROR,
	WORKER_LAST_ERROR_AT,
	WORKER_STATS_RESET,
	WORKER_NCOLUMNS
};

/* The columns of net.stat_endpoint, in order. */
enum
{
	ENDPOINT_ENDPOINT,
	ENDPOINT_STATE,
	ENDPOINT_RESUMES,
	ENDPOINT_FAILING_SINCE,
	ENDPOINT_FAILURES_IN_ROW,
	ENDPOINT_WAITING,
	ENDPOINT_IN_FLIGHT,
	ENDPOINT_OLDEST_WAITING,
	ENDPOINT_SENT,				/* from here on the numbers of LaneStats */
	ENDPOINT_DNS_MS = ENDPOINT_SENT + 15,	/* likewise, of microseconds */
	ENDPOINT_LATENCY = ENDPOINT_DNS_MS + 5,
	ENDPOINT_LAST_SUCCESS,
	ENDPOINT_LAST_FAILURE,
	ENDPOINT_LAST_ERROR,
	ENDPOINT_STATS_RESET,
	ENDPOINT_NCOLUMNS
};

#define MOST_COLUMNS Max((int) WORKER_NCOLUMNS, (int) ENDPOINT_NCOLUMNS)

/* The columns of a row that is made. */
typedef struct StatRow
{
	Datum		values[MOST_COLUMNS];
	bool		nulls[MOST_COLUMNS];
} StatRow;

static void add_worker(ReturnSetInfo *result, DatabaseState *database,
					   bool sees_all);
static void clean_ascii(char *text);
static TimestampTz oldest_waiting(DatabaseState *database,
								  const DatabaseSnapshot *now, int64 waiting);
static Datum pids_of(const DatabaseSnapshot *now);
static void add_endpoint(ReturnSetInfo *result, const ListedEndpoint *endpoint,
						 const NamedLaneStats *stats, const RoleHold *holds,
						 int nholds, bool sees_all);
static void add_lane(ReturnSetInfo *result, StatRow *row,
					 const LaneStats *stats, bool sees_all);
static const NamedLaneStats *find_lane(const NamedLaneStats *lanes, int nlanes,
									   const char *name);
static Datum latencies(const LaneStats *stats);
static bool sees_all_stats(void);
static bool sees_all_requests(void);
static bool is_owner(void);
static bool has_rights_of(Oid role);
static TimestampTz wall_time(TimestampTz time);
static void set_time(StatRow *row, int column, TimestampTz time);
static void set_text(StatRow *row, int column, const char *text);

/* One row for each database, or for this one. */
Datum
pgnet_stat_worker(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	bool		sees_all = sees_all_stats();

	/* this database has a row even if nothing was ever sent in it */
	(void) pgnet_require_served();
	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < pgnet_registry_count(); i++)
	{
		DatabaseState *database = pgnet_registry_at(i);

		if (database->database == MyDatabaseId ||
			(sees_all && OidIsValid(database->database)))
			add_worker(result, database, sees_all);
	}
	return (Datum) 0;
}

static void
add_worker(ReturnSetInfo *result, DatabaseState *database, bool sees_all)
{
	Oid			oid = database->database;
	char	   *name = get_database_name(oid);
	DatabaseSnapshot now = pgnet_database_snapshot(database);
	WorkerStats stats = pgnet_stats_read(database);
	DatabaseStats *shared = &database->stats;
	int64		waiting = Max(pgnet_quota_rows(oid) - stats.scheduled -
								  stats.in_flight,
							  0);
	StatRow		row = {0};

	/* dropped a moment ago */
	if (name == NULL)
		return;
	row.values[WORKER_DATNAME] =
		DirectFunctionCall1(namein, CStringGetDatum(name));
	row.values[WORKER_PIDS] = pids_of(&now);
	row.values[WORKER_WAITING] = Int64GetDatum(waiting);
	row.values[WORKER_IN_FLIGHT] = Int32GetDatum((int32) stats.in_flight);
	row.values[WORKER_SCHEDULED] = Int64GetDatum(stats.scheduled);
	row.values[WORKER_GAVE_UP] = Int64GetDatum(stats.gave_up);
	row.values[WORKER_CALLBACKS_WAITING] =
		UInt64GetDatum(pg_atomic_read_u64(&shared->callbacks_waiting));
	set_time(&row, WORKER_OLDEST_WAITING,
			 oldest_waiting(database, &now, waiting));
	set_time(&row, WORKER_NEXT_DUE,
			 stats.next_due == DT_NOEND ? 0 : stats.next_due);
	row.values[WORKER_SENT] = Int64GetDatum(stats.sent);
	row.values[WORKER_DONE] = Int64GetDatum(stats.done);
	row.values[WORKER_FAILED] = Int64GetDatum(stats.failed);
	row.values[WORKER_RETRIED] = Int64GetDatum(stats.retried);
	row.values[WORKER_GIVEN_UP] = Int64GetDatum(stats.given_up);
	row.values[WORKER_CALLED] =
		UInt64GetDatum(pg_atomic_read_u64(&shared->called));
	row.values[WORKER_CALL_ERRORS] =
		UInt64GetDatum(pg_atomic_read_u64(&shared->call_errors));
	row.values[WORKER_RECORD_BATCHES] = Int64GetDatum(stats.record_batches);
	row.values[WORKER_RECORD_MS] =
		Float8GetDatum((double) stats.record_us / 1000);
	if (now.worker.pid == 0 && now.start_requested != DT_NOEND &&
		pgnet_launcher_is_short())
		set_text(&row, WORKER_SHORT_OF, "processes");
	else
		set_text(&row, WORKER_SHORT_OF, stats.short_of);
	/* of this database it is known in any case */
	if (oid == MyDatabaseId)
		stats.durable = !pgnet_durability_is_off();
	row.values[WORKER_DURABLE] = BoolGetDatum(stats.durable > 0);
	row.nulls[WORKER_DURABLE] = stats.durable < 0;
	if (oid != MyDatabaseId)
		clean_ascii(stats.last_error);
	set_text(&row, WORKER_LAST_ERROR, sees_all ? stats.last_error : "");
	set_time(&row, WORKER_LAST_ERROR_AT, stats.last_error_at);
	set_time(&row, WORKER_STATS_RESET, stats.stats_reset);
	tuplestore_putvalues(result->setResult, result->setDesc, row.values,
						 row.nulls);
}

/* That of another database may be in another encoding. */
static void
clean_ascii(char *text)
{
	for (char *c = text; *c != '\0'; c++)
		if (IS_HIGHBIT_SET(*c))
			*c = '?';
}

/*
 * Since when does a request of a database wait?  A commit that no worker has
 * noticed counts, and so does a worker that is needed and not there.  0: none
 * waits.
 */
static TimestampTz
oldest_waiting(DatabaseState *database, const DatabaseSnapshot *now,
			   int64 waiting)
{
	TimestampTz oldest = DT_NOEND;
	TimestampTz news = pgnet_inbox_news_since(&database->worker);
	TimestampTz known = pgnet_lane_stats_oldest(database->database);

	if (known != 0)
		oldest = known;
	if (news != 0)
		oldest = Min(oldest, news);
	if (now->worker.pid == 0 && now->start_requested != DT_NOEND &&
		(news != 0 || waiting > 0))
		oldest = Min(oldest, wall_time(now->start_requested));
	return oldest == DT_NOEND ? 0 : oldest;
}

/* The pids of the workers of a database, as an array. */
static Datum
pids_of(const DatabaseSnapshot *now)
{
	Datum		pids[1] = {Int32GetDatum(now->worker.pid)};

	return PointerGetDatum(construct_array(pids, now->worker.pid != 0,
										   INT4OID, sizeof(int32), true,
										   TYPALIGN_INT));
}

/* One row for each endpoint, and each origin. */
Datum
pgnet_stat_endpoint(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	bool		sees_all = sees_all_stats();
	ListedEndpoint *endpoints;
	NamedLaneStats *lanes;
	RoleHold   *holds;
	int			nendpoints;
	int			nlanes;
	int			nholds;

	pgnet_require_preloaded();
	InitMaterializedSRF(fcinfo, 0);
	nendpoints = pgnet_endpoints_list(GetUserId(), &endpoints);
	nholds = pgnet_lane_holds_list(&holds);
	nlanes = pgnet_lane_stats_list(&lanes);
	for (int i = 0; i < nendpoints; i++)
		if (sees_all || endpoints[i].may_use)
			add_endpoint(result, &endpoints[i],
						 find_lane(lanes, nlanes, endpoints[i].name),
						 holds, nholds, sees_all);
	for (int i = 0; i < nlanes && sees_all; i++)
	{
		StatRow		row = {0};

		/* that of an endpoint has no scheme */
		if (strstr(lanes[i].name, "//") == NULL)
			continue;
		row.values[ENDPOINT_ENDPOINT] = CStringGetTextDatum(lanes[i].name);
		row.values[ENDPOINT_STATE] = CStringGetTextDatum("ok");
		row.nulls[ENDPOINT_RESUMES] = true;
		add_lane(result, &row, &lanes[i].stats, sees_all);
	}
	return (Datum) 0;
}

/* An endpoint, which may have no counters. */
static void
add_endpoint(ReturnSetInfo *result, const ListedEndpoint *endpoint,
			 const NamedLaneStats *stats, const RoleHold *holds, int nholds,
			 bool sees_all)
{
	uint64		lane = pgnet_url_host_key(psprintf("net://%s",
												   endpoint->name));
	LaneStats	none = {0};
	const char *state = "ok";
	TimestampTz resumes = DT_NOBEGIN;
	StatRow		row = {0};

	for (int i = 0; i < nholds; i++)
		if (endpoint->backs_off && holds[i].lane == lane &&
			pgnet_lane_hold_backs_off(&holds[i].hold))
		{
			state = "backing off";
			resumes = Max(resumes, holds[i].hold.until);
		}
	if (endpoint->paused)
	{
		state = "paused";
		resumes = DT_NOBEGIN;
	}
	row.values[ENDPOINT_ENDPOINT] = CStringGetTextDatum(endpoint->name);
	row.values[ENDPOINT_STATE] = CStringGetTextDatum(state);
	set_time(&row, ENDPOINT_RESUMES,
			 resumes > pgnet_clock_now() ? wall_time(resumes) : 0);
	add_lane(result, &row, stats ? &stats->stats : &none, sees_all);
}

/* What both kinds of rows have. */
static void
add_lane(ReturnSetInfo *result, StatRow *row, const LaneStats *stats,
		 bool sees_all)
{
	const int64 *counts = &stats->sent;
	const int64 *times_us = &stats->dns_us;

	StaticAssertStmt(offsetof(LaneStats, dns_us) ==
						 sizeof(int64) * (ENDPOINT_DNS_MS - ENDPOINT_SENT),
					 "the columns are those of LaneStats");
	StaticAssertStmt(offsetof(LaneStats, latency) ==
						 sizeof(int64) * (ENDPOINT_LATENCY - ENDPOINT_SENT),
					 "the columns are those of LaneStats");
	set_time(row, ENDPOINT_FAILING_SINCE, stats->failing_since);
	row->values[ENDPOINT_FAILURES_IN_ROW] =
		Int32GetDatum((int32) stats->failures_in_row);
	row->values[ENDPOINT_WAITING] = Int64GetDatum(stats->waiting);
	row->values[ENDPOINT_IN_FLIGHT] = Int32GetDatum((int32) stats->in_flight);
	set_time(row, ENDPOINT_OLDEST_WAITING, stats->oldest_waiting);
	for (int i = ENDPOINT_SENT; i < ENDPOINT_DNS_MS; i++)
		row->values[i] = Int64GetDatum(counts[i - ENDPOINT_SENT]);
	for (int i = ENDPOINT_DNS_MS; i < ENDPOINT_LATENCY; i++)
		row->values[i] =
			Float8GetDatum((double) times_us[i - ENDPOINT_DNS_MS] / 1000);
	row->values[ENDPOINT_LATENCY] = latencies(stats);
	set_time(row, ENDPOINT_LAST_SUCCESS, stats->last_success);
	set_time(row, ENDPOINT_LAST_FAILURE, stats->last_failure);
	set_text(row, ENDPOINT_LAST_ERROR, sees_all ? stats->last_error : "");
	set_time(row, ENDPOINT_STATS_RESET, stats->stats_reset);
	tuplestore_putvalues(result->setResult, result->setDesc, row->values,
						 row->nulls);
}

static const NamedLaneStats *
find_lane(const NamedLaneStats *lanes, int nlanes, const char *name)
{
	for (int i = 0; i < nlanes; i++)
		if (strcmp(lanes[i].name, name) == 0)
			return &lanes[i];
	return NULL;
}

static Datum
latencies(const LaneStats *stats)
{
	Datum		values[PGNET_LATENCIES];

	for (int i = 0; i < PGNET_LATENCIES; i++)
		values[i] = Int64GetDatum(stats->latency[i]);
	return PointerGetDatum(construct_array(values, PGNET_LATENCIES, INT8OID,
										   sizeof(int64), FLOAT8PASSBYVAL,
										   TYPALIGN_DOUBLE));
}

/* stat_reset(endpoint); null: all counters of this database. */
Datum
pgnet_stat_reset(PG_FUNCTION_ARGS)
{
	DatabaseState *database = pgnet_require_served();

	if (PG_ARGISNULL(0))
		pgnet_stats_reset(database);
	pgnet_lane_stats_reset(PG_ARGISNULL(0) ?
							   NULL :
							   text_to_cstring(PG_GETARG_TEXT_PP(0)));
	PG_RETURN_VOID();
}

/* The requests that are in flight in this database: id, started. */
Datum
pgnet_stat_in_flight(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	bool		sees_all = sees_all_requests();
	DatabaseState *database = NULL;
	InflightId *list = NULL;
	int			count = 0;

	InitMaterializedSRF(fcinfo, 0);
	if (pgnet_registry_available())
		database = pgnet_registry_find_own();
	if (database != NULL)
		count = pgnet_inflight_ids_list(database, &list);
	for (int i = 0; i < count; i++)
	{
		Datum		values[2];
		bool		nulls[2] = {false, false};

		if (!sees_all && !has_rights_of(list[i].role))
			continue;
		values[0] = Int64GetDatum(list[i].id);
		values[1] = TimestampTzGetDatum(wall_time(list[i].started));
		tuplestore_putvalues(result->setResult, result->setDesc, values,
							 nulls);
	}
	return (Datum) 0;
}

/* Is the endpoint of a URL backing off for a role? */
Datum
pgnet_stat_is_held(PG_FUNCTION_ARGS)
{
	char	   *url = text_to_cstring(PG_GETARG_TEXT_PP(0));
	Oid			role = PG_GETARG_OID(1);
	LaneHold	hold;

	if (!pgnet_registry_available() || !pgnet_url_is_endpoint(url) ||
		(!has_rights_of(role) && !sees_all_requests()))
		PG_RETURN_BOOL(false);
	hold = pgnet_lane_holds_get(pgnet_url_host_key(url), role);
	PG_RETURN_BOOL(pgnet_lane_hold_backs_off(&hold));
}

/* What a log says of the current round: failed attempts, and the last error. */
Datum
pgnet_stat_attempts(PG_FUNCTION_ARGS)
{
	AttemptLogSummary log =
		pgnet_attempt_log_summary(PG_ARGISNULL(0) ? NULL :
													PG_GETARG_JSONB_P(0));
	TupleDesc	desc;
	Datum		values[2] = {Int32GetDatum(log.failed), (Datum) 0};
	bool		nulls[2] = {false, log.reason == NULL};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (log.reason != NULL)
		values[1] = CStringGetTextDatum(log.reason);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc),
													  values, nulls)));
}

/* May the current role see the statistics of all roles? */
Datum
pgnet_stat_sees_all(PG_FUNCTION_ARGS)
{
	bool		content = PG_GETARG_BOOL(0);

	PG_RETURN_BOOL(content ? is_owner() ||
						   has_rights_of(ROLE_PG_READ_ALL_DATA) :
							 sees_all_requests());
}

/* A URL as it is shown: without user and password, or without its query, too */
Datum
pgnet_stat_url(PG_FUNCTION_ARGS)
{
	const char *url =
		pgnet_url_masked(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	size_t		length = PG_GETARG_BOOL(1) ? strlen(url) : strcspn(url, "?#");

	PG_RETURN_TEXT_P(cstring_to_text_with_len(url, (int) length));
}

/* The name of the endpoint in a URL, or null. */
Datum
pgnet_endpoint_name(PG_FUNCTION_ARGS)
{
	char	   *url = text_to_cstring(PG_GETARG_TEXT_PP(0));
	EndpointUrl parts;

	if (!pgnet_url_is_endpoint(url) ||
		pgnet_endpoint_url_parse(url, &parts) != NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text_with_len(parts.name,
											  (int) parts.name_length));
}

/* May the current role see all statistics? */
static bool
sees_all_stats(void)
{
	return has_rights_of(ROLE_PG_READ_ALL_STATS) || is_owner();
}

/* May it see which requests there are of all roles? */
static bool
sees_all_requests(void)
{
	return sees_all_stats() || has_rights_of(ROLE_PG_READ_ALL_DATA);
}

/* Does it have the rights of the owner of the tables? */
static bool
is_owner(void)
{
	return superuser() ||
		(pgnet_catalog_installed() && has_rights_of(pgnet_catalog_owner()));
}

static bool
has_rights_of(Oid role)
{
	return OidIsValid(role) && has_privs_of_role(GetUserId(), role);
}

/* A time of pgnet_clock_now() by the wall clock. */
static TimestampTz
wall_time(TimestampTz time)
{
	return GetCurrentTimestamp() - (pgnet_clock_now() - time);
}

/* 0 is null. */
static void
set_time(StatRow *row, int column, TimestampTz time)
{
	row->values[column] = TimestampTzGetDatum(time);
	row->nulls[column] = time == 0;
}

/* "" is null. */
static void
set_text(StatRow *row, int column, const char *text)
{
	row->values[column] = CStringGetTextDatum(text);
	row->nulls[column] = *text == '\0';
}
