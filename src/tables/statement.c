/*
 * statement.c -- SQL statements, prepared once a process.
 *
 * Runs in: client backends and workers.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#include "tables/statement.h"

static SPIPlanPtr prepared(PreparedStatement *statement);
static void free_found(StatementSession *session);

void
pgnet_statement_begin(StatementSession *session, int options)
{
	*session = (StatementSession) {.options = options};
	if (options & PGNET_AS_OWNER)
		session->caller = pgnet_catalog_become_owner();
	if (options & PGNET_SPI)
		pgnet_statement_connect();
	if (options & PGNET_LATEST)
		session->snapshot = RegisterSnapshot(GetLatestSnapshot());
}

void
pgnet_statement_end(StatementSession *session)
{
	free_found(session);
	if (session->options & PGNET_LATEST)
		UnregisterSnapshot(session->snapshot);
	if (session->options & PGNET_SPI)
		pgnet_statement_finish();
	if (session->options & PGNET_AS_OWNER)
		pgnet_catalog_become(session->caller);
}

int
pgnet_statement_run(StatementSession *session, PreparedStatement *statement,
					Datum *values, const char *nulls)
{
	int			code;

	free_found(session);
	if (session->snapshot != NULL)
		code = SPI_execute_snapshot(prepared(statement), values, nulls,
									session->snapshot, InvalidSnapshot, true,
									false, 0);
	else
		code = SPI_execute_plan(prepared(statement), values, nulls, false, 0);
	if (code < 0)
		elog(ERROR, "could not run \"%s\": %s", statement->sql,
			 SPI_result_code_string(code));
	session->found = SPI_tuptable;
	return (int) SPI_processed;
}

int64
pgnet_statement_int64(const StatementSession *session, int row, int column,
					  int64 if_null)
{
	bool		null;
	Datum		value = pgnet_statement_datum(session, row, column, &null);

	return null ? if_null : DatumGetInt64(value);
}

int32
pgnet_statement_int32(const StatementSession *session, int row, int column,
					  int32 if_null)
{
	bool		null;
	Datum		value = pgnet_statement_datum(session, row, column, &null);

	return null ? if_null : DatumGetInt32(value);
}

bool
pgnet_statement_bool(const StatementSession *session, int row, int column,
					 bool if_null)
{
	bool		null;
	Datum		value = pgnet_statement_datum(session, row, column, &null);

	return null ? if_null : DatumGetBool(value);
}

Oid
pgnet_statement_oid(const StatementSession *session, int row, int column)
{
	bool		null;
	Datum		value = pgnet_statement_datum(session, row, column, &null);

	return null ? InvalidOid : DatumGetObjectId(value);
}

char *
pgnet_statement_text(const StatementSession *session, int row, int column)
{
	bool		null;
	Datum		value = pgnet_statement_datum(session, row, column, &null);

	return null ? NULL : TextDatumGetCString(value);
}

Datum
pgnet_statement_datum(const StatementSession *session, int row, int column,
					  bool *null)
{
	return SPI_getbinval(session->found->vals[row], session->found->tupdesc,
						 column, null);
}

void
pgnet_statement_connect(void)
{
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
}

void
pgnet_statement_finish(void)
{
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "could not end the session with SPI");
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

/* Free the rows of the last statement. */
static void
free_found(StatementSession *session)
{
	if (session->found != NULL)
		SPI_freetuptable(session->found);
	session->found = NULL;
}
