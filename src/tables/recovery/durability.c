/*
 * durability.c -- do the tables survive a crash?
 *
 * Runs in: client backends and workers.
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/proc.h"
#include "utils/lsyscache.h"

#include "tables/catalog.h"
#include "tables/local_setting.h"
#include "tables/recovery/durability.h"
#include "tables/statement.h"
#include "tables/subtransaction.h"

/*
 * While a transaction waits for ACCESS EXCLUSIVE, all later lockers queue
 * behind it: the worker and all calls.  So wait for a short time only, let
 * others have the tables in between, and give up after some tries.
 */
#define LOCK_TIMEOUT_MS 200
#define PAUSE_MS 300
#define MAX_TRIES 20

/* In the order in which the worker locks them, to avoid deadlocks. */
#define LOCK_TABLES \
	"LOCK TABLE ONLY net.http_request_queue, ONLY net._http_response" \
	" IN ACCESS EXCLUSIVE MODE"

static const char *const make_logged[] = {
	"ALTER TABLE ONLY net.http_request_queue SET LOGGED",
	"ALTER TABLE ONLY net._http_response SET LOGGED",
};

static const char *const make_unlogged[] = {
	"ALTER TABLE ONLY net.http_request_queue SET UNLOGGED",
	"ALTER TABLE ONLY net._http_response SET UNLOGGED",
};

static void lock_tables(void);
static bool try_to_lock(void);
static void lock_soon(void *unused);
static void wait_a_moment(void);
static void run(const char *statement);

void
pgnet_durability_set(bool durable)
{
	const char *const *statements = durable ? make_logged : make_unlogged;

	pgnet_statement_connect();
	lock_tables();
	for (int i = 0; i < (int) lengthof(make_logged); i++)
		run(statements[i]);
	pgnet_statement_finish();
}

bool
pgnet_durability_is_off(void)
{
	Oid			queue = pgnet_catalog_relation("http_request_queue");

	return OidIsValid(queue) &&
		get_rel_persistence(queue) == RELPERSISTENCE_UNLOGGED;
}

static void
lock_tables(void)
{
	for (int tries = 1; !try_to_lock(); tries++)
	{
		if (tries == MAX_TRIES)
			ereport(ERROR,
					errcode(ERRCODE_LOCK_NOT_AVAILABLE),
					errmsg("could not lock the tables of pg_net"),
					errdetail("Another transaction is using net.http_request_queue or net._http_response. Waiting longer would block all requests."),
					errhint("Try again after that transaction has ended. The view pg_locks shows which one it is."));
		wait_a_moment();
	}
}

/* False if it takes longer than the timeout. */
static bool
try_to_lock(void)
{
	ErrorData  *error = pgnet_subtransaction_try(lock_soon, NULL,
												 PGNET_SUBTRANSACTION_KEEP);

	if (error == NULL)
		return true;
	if (error->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE)
		ReThrowError(error);
	FreeErrorData(error);
	return false;
}

/* SubtransactionWork of try_to_lock(). */
static void
lock_soon(void *unused)
{
	char		timeout_ms[16];
	int			level;

	(void) unused;
	/* a lower lock_timeout of the session stays in force */
	snprintf(timeout_ms, sizeof(timeout_ms), "%d",
			 LockTimeout > 0 ? Min(LockTimeout, LOCK_TIMEOUT_MS) :
							   LOCK_TIMEOUT_MS);
	level = pgnet_local_setting_begin("lock_timeout", timeout_ms);
	run(LOCK_TABLES);
	pgnet_local_setting_end(level);
}

static void
wait_a_moment(void)
{
	for (int ms = 0; ms < PAUSE_MS; ms += 10)
	{
		CHECK_FOR_INTERRUPTS();
		pg_usleep(10L * 1000);
	}
}

/* Run a utility statement. */
static void
run(const char *statement)
{
	int			code = SPI_execute(statement, false, 0);

	if (code != SPI_OK_UTILITY)
		elog(ERROR, "could not run \"%s\": %s", statement,
			 SPI_result_code_string(code));
}
