/*
 * statement.c -- SQL statements, prepared once a process.
 *
 * Runs in: client backends and workers, with SPI connected.
 */
#include "postgres.h"

#include "executor/spi.h"

#include "tables/statement.h"

static SPIPlanPtr prepared(PreparedStatement *statement);
static void check(const PreparedStatement *statement, int code, int expected);

/* Open a session with SPI. */
void
pgnet_plans_connect(void)
{
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
}

/* End it. */
void
pgnet_plans_finish(void)
{
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "could not end the session with SPI");
}

/* Run a statement. */
void
pgnet_plan_run(PreparedStatement *statement, Datum *values, const char *nulls,
			   int expected)
{
	check(statement,
		  SPI_execute_plan(prepared(statement), values, nulls, false, 0),
		  expected);
}

/* Run a SELECT with a snapshot. */
void
pgnet_plan_run_as_of(PreparedStatement *statement, Datum *values,
					 Snapshot snapshot)
{
	check(statement,
		  SPI_execute_snapshot(prepared(statement), values, NULL, snapshot,
							   InvalidSnapshot, true, false, 0),
		  SPI_OK_SELECT);
}

/*
 * The plan of a statement, made on first use.  It follows changes of the
 * tables by itself (utils/cache/plancache.c).
 */
static SPIPlanPtr
prepared(PreparedStatement *statement)
{
	if (statement->plan == NULL)
	{
		SPIPlanPtr	plan = SPI_prepare(statement->sql, statement->nparams,
									   statement->param_types);

		if (plan == NULL)
			elog(ERROR, "could not prepare \"%s\": %s", statement->sql,
				 SPI_result_code_string(SPI_result));
		SPI_keepplan(plan);
		statement->plan = plan;
	}
	return statement->plan;
}

/* A result other than the expected one "cannot happen". */
static void
check(const PreparedStatement *statement, int code, int expected)
{
	if (code != expected)
		elog(ERROR, "could not run \"%s\": %s", statement->sql,
			 SPI_result_code_string(code));
}
