/*
 * waiting_calls.c -- rows of net._http_response that a function is to be
 * called with.
 *
 * Runs in: the process of the callbacks, and workers.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/datum.h"
#include "utils/timestamp.h"

#include "tables/callbacks/row_change.h"
#include "tables/callbacks/waiting_calls.h"
#include "tables/ids.h"
#include "tables/local_setting.h"
#include "tables/statement.h"

#define WAITS "r.callback IS NOT NULL AND r.called IS NULL"

/* In order of the index on (role, id), from where the last call was on. */
static PreparedStatement lock_oldest = {
	.sql = "SELECT r.ctid, r.id, r.created, r.callback, r.callback_deaths,"
		   " r.keep FROM ONLY net._http_response AS r WHERE " WAITS
		   " AND r.role OPERATOR(pg_catalog.=) $1"
		   " AND r.id OPERATOR(pg_catalog.>) $2"
		   " AND (r.callback_deaths IS NOT NULL) OPERATOR(pg_catalog.=) $3"
		   " AND r.id OPERATOR(pg_catalog.<>) ALL ($4)"
		   " ORDER BY r.role, r.id LIMIT 1 FOR UPDATE SKIP LOCKED",
	.nparams = 4,
	.param_types = {OIDOID, INT8OID, BOOLOID, INT8ARRAYOID}
};

/* The columns of lock_oldest, in order. */
enum
{
	LOCKED_PLACE = 1,
	LOCKED_ID,
	LOCKED_CREATED,
	LOCKED_CALLBACK,
	LOCKED_DEATHS,
	LOCKED_KEEP
};

static PreparedStatement read_row = {
	.sql = "SELECT r FROM ONLY net._http_response AS r"
		   " WHERE r.ctid OPERATOR(pg_catalog.=) $1",
	.nparams = 1,
	.param_types = {TIDOID}
};

/* One that the function has changed itself. */
static PreparedStatement find_changed = {
	.sql = "SELECT r.ctid FROM ONLY net._http_response AS r WHERE " WAITS
		   " AND r.id OPERATOR(pg_catalog.=) $1"
		   " AND r.created OPERATOR(pg_catalog.=) $2 LIMIT 1",
	.nparams = 2,
	.param_types = {INT8OID, TIMESTAMPTZOID}
};

static PreparedStatement find_with_deaths = {
	.sql = "SELECT r.ctid, r.callback_deaths FROM ONLY net._http_response AS r"
		   " WHERE " WAITS " AND r.id OPERATOR(pg_catalog.=) $1"
		   " AND r.callback_deaths OPERATOR(pg_catalog.>) 0"
		   " LIMIT 1 FOR UPDATE SKIP LOCKED",
	.nparams = 1,
	.param_types = {INT8OID}
};

static PreparedStatement next_role = {
	.sql = "SELECT r.role FROM ONLY net._http_response AS r WHERE " WAITS
		   " AND r.role OPERATOR(pg_catalog.>) $1 ORDER BY r.role, r.id LIMIT 1",
	.nparams = 1,
	.param_types = {OIDOID}
};

static PreparedStatement first_role = {
	.sql = "SELECT r.role FROM ONLY net._http_response AS r WHERE " WAITS
		   " ORDER BY r.role, r.id LIMIT 1",
};

static PreparedStatement count_rows = {
	.sql = "SELECT pg_catalog.count(*) FROM ONLY net._http_response AS r WHERE " WAITS,
};

/* A few at a time, so that it takes no time. */
#define GIVE_UP_ROWS 1000

static PreparedStatement find_of_role = {
	.sql = "SELECT r.ctid FROM ONLY net._http_response AS r WHERE " WAITS
		   " AND r.role OPERATOR(pg_catalog.=) $1"
		   " ORDER BY r.role, r.id LIMIT $2 FOR UPDATE SKIP LOCKED",
	.nparams = 2,
	.param_types = {OIDOID, INT8OID}
};

static PreparedStatement find_of_nobody = {
	.sql = "SELECT r.ctid FROM ONLY net._http_response AS r WHERE " WAITS
		   " AND r.role IS NULL LIMIT $2 FOR UPDATE SKIP LOCKED",
	.nparams = 2,
	.param_types = {OIDOID, INT8OID}
};

static PreparedStatement give_up_copied = {
	.sql = "UPDATE ONLY net._http_response AS r"
		   " SET called = pg_catalog.now(), callback_error = 'not called in a"
		   " copy of the database'"
		   " WHERE " WAITS " AND pg_catalog.age(r.xmin)"
		   " OPERATOR(pg_catalog.>) pg_catalog.age($1)",
	.nparams = 1,
	.param_types = {XIDOID}
};

static int	begin(StatementSession *session);
static void end(StatementSession *session, int level);
static ItemPointerData place_of(const StatementSession *session, int row);
static void change(const WaitingCall *call, const RowChange *change);
static bool find_place(StatementSession *session, const WaitingCall *call,
					   ItemPointer tid);

bool
pgnet_waiting_call_lock(Oid role, int64 after, bool with_deaths,
						const int64 *not_yet, int nnot_yet, WaitingCall *call)
{
	MemoryContext context = CurrentMemoryContext;
	Datum		values[] = {ObjectIdGetDatum(role), Int64GetDatum(after),
					  BoolGetDatum(with_deaths),
					  pgnet_ids_array(not_yet, nnot_yet)};
	StatementSession session;
	int			level = begin(&session);
	bool		found = pgnet_statement_run(&session, &lock_oldest, values,
											NULL) > 0;

	if (found)
	{
		MemoryContextSwitchTo(context);
		call->tid = place_of(&session, 0);
		call->id = pgnet_statement_int64(&session, 0, LOCKED_ID, 0);
		call->created = pgnet_statement_int64(&session, 0, LOCKED_CREATED, 0);
		call->callback = pgnet_statement_text(&session, 0, LOCKED_CALLBACK);
		call->deaths = pgnet_statement_int32(&session, 0, LOCKED_DEATHS, 0);
		call->dropped = !pgnet_statement_bool(&session, 0, LOCKED_KEEP, true);
	}
	end(&session, level);
	return found;
}

Datum
pgnet_waiting_call_row(const WaitingCall *call, Oid *type)
{
	MemoryContext context = CurrentMemoryContext;
	Datum		value = PointerGetDatum(&call->tid);
	StatementSession session;
	int			level = begin(&session);
	bool		null;

	if (pgnet_statement_run(&session, &read_row, &value, NULL) == 0)
		elog(ERROR, "response " INT64_FORMAT " is gone", call->id);
	value = pgnet_statement_datum(&session, 0, 1, &null);
	*type = SPI_gettypeid(session.found->tupdesc, 1);
	MemoryContextSwitchTo(context);
	value = datumCopy(value, false, -1);
	end(&session, level);
	return value;
}

void
pgnet_waiting_call_succeeded(const WaitingCall *call)
{
	RowChange	succeeded = {
		.removes = call->dropped,
		.called = GetCurrentTimestamp()
	};

	change(call, &succeeded);
}

void
pgnet_waiting_call_failed(const WaitingCall *call, const char *error)
{
	RowChange	failed = {
		.called = GetCurrentTimestamp(),
		.error = error,
		.deaths = call->deaths
	};

	change(call, &failed);
}

void
pgnet_waiting_call_set_deaths(const WaitingCall *call, int deaths)
{
	change(call, &(RowChange) {.deaths = deaths});
}

void
pgnet_waiting_call_spare(int64 id)
{
	Datum		value = Int64GetDatum(id);
	StatementSession session;
	int			level = begin(&session);
	Relation	log = table_open(pgnet_catalog_log(), RowExclusiveLock);

	if (pgnet_statement_run(&session, &find_with_deaths, &value, NULL) > 0)
	{
		ItemPointerData tid = place_of(&session, 0);
		RowChange	taken_back = {
			.deaths = pgnet_statement_int32(&session, 0, 2, 1) - 1
		};

		(void) pgnet_row_change(log, &tid, &taken_back);
	}
	table_close(log, NoLock);
	end(&session, level);
}

/* Change or remove the row, wherever it is by now. */
static void
change(const WaitingCall *call, const RowChange *change)
{
	StatementSession session;
	int			level = begin(&session);
	Relation	log = table_open(pgnet_catalog_log(), RowExclusiveLock);
	ItemPointerData tid = call->tid;

	if (!pgnet_row_change(log, &tid, change) &&
		find_place(&session, call, &tid))
		(void) pgnet_row_change(log, &tid, change);
	table_close(log, NoLock);
	end(&session, level);
}

/* Find a row that is not where it was when it was locked. */
static bool
find_place(StatementSession *session, const WaitingCall *call, ItemPointer tid)
{
	Datum		values[] = {Int64GetDatum(call->id),
					  TimestampTzGetDatum(call->created)};

	if (pgnet_statement_run(session, &find_changed, values, NULL) == 0)
		return false;
	*tid = place_of(session, 0);
	return true;
}

bool
pgnet_waiting_calls_next_role(Oid after, Oid *role)
{
	Datum		value = ObjectIdGetDatum(after);
	StatementSession session;
	int			level = begin(&session);
	bool		found =
		pgnet_statement_run(&session, &next_role, &value, NULL) > 0 ||
		pgnet_statement_run(&session, &first_role, NULL, NULL) > 0;

	if (found)
		*role = pgnet_statement_oid(&session, 0, 1);
	end(&session, level);
	return found;
}

int64
pgnet_waiting_calls_count(void)
{
	StatementSession session;
	int			level = begin(&session);
	int64		count;

	(void) pgnet_statement_run(&session, &count_rows, NULL, NULL);
	count = pgnet_statement_int64(&session, 0, 1, 0);
	end(&session, level);
	return count;
}

bool
pgnet_waiting_calls_give_up(Oid role)
{
	Datum		values[] = {ObjectIdGetDatum(role),
					  Int64GetDatum(GIVE_UP_ROWS)};
	RowChange	given_up = {
		.called = GetCurrentTimestamp(),
		.error = "the role of the request does not exist"
	};
	StatementSession session;
	int			level = begin(&session);
	Relation	log = table_open(pgnet_catalog_log(), RowExclusiveLock);
	int			count = pgnet_statement_run(&session,
											OidIsValid(role) ? &find_of_role :
															   &find_of_nobody,
											values, NULL);

	for (int i = 0; i < count; i++)
	{
		ItemPointerData tid = place_of(&session, i);

		(void) pgnet_row_change(log, &tid, &given_up);
	}
	table_close(log, NoLock);
	end(&session, level);
	return count == GIVE_UP_ROWS;
}

int
pgnet_waiting_calls_give_up_copied(TransactionId made_by)
{
	Datum		value = TransactionIdGetDatum(made_by);
	StatementSession session;
	int			count;

	pgnet_statement_begin(&session, PGNET_AS_OWNER);
	count = pgnet_statement_run(&session, &give_up_copied, &value, NULL);
	pgnet_statement_end(&session);
	return count;
}

/* The first column, where a row is. */
static ItemPointerData
place_of(const StatementSession *session, int row)
{
	bool		null;
	Datum		place = pgnet_statement_datum(session, row, 1, &null);

	return *(ItemPointer) DatumGetPointer(place);
}

/* Begin what is safe, whatever a function has set. */
static int
begin(StatementSession *session)
{
	int			level = pgnet_local_setting_begin("search_path",
												  "pg_catalog, pg_temp");

	pgnet_local_setting_more("enable_seqscan", "off");
	pgnet_local_setting_more("enable_bitmapscan", "off");
	pgnet_local_setting_more("enable_indexscan", "on");
	pgnet_local_setting_more("plan_cache_mode", "force_generic_plan");
	pgnet_statement_begin(session, PGNET_AS_OWNER);
	return level;
}

static void
end(StatementSession *session, int level)
{
	pgnet_statement_end(session);
	pgnet_local_setting_end(level);
}
