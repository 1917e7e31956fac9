/*
 * find_many.c -- which of many requests are over, and their responses.
 *
 * Runs in: client backends, with the rights of the current role.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/typcache.h"

#include "tables/ids.h"
#include "tables/responses/find.h"
#include "tables/responses/find_many.h"
#include "tables/statement.h"
#include "tables/subtransaction.h"

/* A request that was given up is over, until somebody sends it again. */
static PreparedStatement find_open = {
	.sql = "SELECT q.id::pg_catalog.int8, q.xmin"
		   " FROM ONLY net.http_request_queue AS q"
		   " WHERE q.id OPERATOR(pg_catalog.=) ANY ($1)"
		   " AND q.gave_up IS NULL",
	.nparams = 1,
	.param_types = {INT8ARRAYOID}
};

/* One response at a time, as they may be large. */
static PreparedStatement find_rows = {
	.sql = "SELECT r FROM ONLY net._http_response AS r"
		   " WHERE r.id OPERATOR(pg_catalog.=) $1 ORDER BY r.created",
	.nparams = 1,
	.param_types = {INT8OID}
};

/* Arguments and result of pgnet_responses_look(). */
typedef struct Look
{
	ManyRequests *requests;
	bool		is_last;
	TupleDesc	desc;
	Tuplestorestate *rows;
} Look;

static void look(void *arg);
static void find_those_open(const StatementSession *session,
							ManyRequests *requests, int count);
static void take_rows(StatementSession *session, const Look *look);
static void take_row(HeapTupleHeader row, const Look *look);
static void require_columns(TupleDesc found, TupleDesc expected);

bool
pgnet_responses_look(ManyRequests *requests, bool is_last, TupleDesc desc,
					 Tuplestorestate *rows)
{
	Look		arg = {
		.requests = requests,
		.is_last = is_last,
		.desc = desc,
		.rows = rows
	};

	/* release locks, or DDL would wait for us, and the worker for the DDL */
	pgnet_subtransaction_run(look, &arg, PGNET_SUBTRANSACTION_ROLL_BACK);
	return arg.is_last;
}

/* SubtransactionWork of pgnet_responses_look(). */
static void
look(void *arg)
{
	Look	   *look = arg;
	ManyRequests *requests = look->requests;
	Datum		ids = pgnet_ids_array(requests->open, requests->nopen);
	StatementSession session;
	int			count;

	pgnet_statement_begin(&session, PGNET_SPI | PGNET_LATEST);
	count = pgnet_statement_run(&session, &find_open, &ids, NULL);
	find_those_open(&session, requests, count);
	if (requests->nopen <= requests->max_open)
		look->is_last = true;
	if (look->is_last)
		take_rows(&session, look);
	pgnet_statement_end(&session);
}

/*
 * Set requests->open to what find_open found.  If users dropped the primary
 * key, there may be many rows with one id.
 */
static void
find_those_open(const StatementSession *session, ManyRequests *requests,
				int count)
{
	int64	   *found = palloc(sizeof(int64) * Max(count, 1));

	for (int i = 0; i < count; i++)
	{
		int64		id = pgnet_statement_int64(session, i, 1, 0);
		bool		null;
		Datum		xmin = pgnet_statement_datum(session, i, 2, &null);

		if (TransactionIdIsCurrentTransactionId(DatumGetTransactionId(xmin)))
			pgnet_response_refuse_uncommitted(id);
		found[i] = id;
	}
	pgnet_ids_sort(found, count);
	requests->nopen = 0;
	for (int i = 0; i < count; i++)
		if (i == 0 || found[i] != found[i - 1])
			requests->open[requests->nopen++] = found[i];
	pfree(found);
}

/* Copy the responses that exist. */
static void
take_rows(StatementSession *session, const Look *look)
{
	for (int i = 0; i < look->requests->nids; i++)
	{
		Datum		id = Int64GetDatum(look->requests->ids[i]);
		int			count = pgnet_statement_run(session, &find_rows, &id, NULL);

		for (int j = 0; j < count; j++)
		{
			bool		null;
			Datum		row = pgnet_statement_datum(session, j, 1, &null);

			take_row(DatumGetHeapTupleHeader(row), look);
		}
	}
}

static void
take_row(HeapTupleHeader row, const Look *look)
{
	HeapTupleData tuple = {
		.t_len = HeapTupleHeaderGetDatumLength(row),
		.t_data = row
	};
	TupleDesc	desc = lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(row),
											  HeapTupleHeaderGetTypMod(row));

	require_columns(desc, look->desc);
	ReleaseTupleDesc(desc);
	tuplestore_puttuple(look->rows, &tuple);
}

/* Are the columns still those that the caller expects? */
static void
require_columns(TupleDesc found, TupleDesc expected)
{
	bool		same = found->natts == expected->natts;

	for (int i = 0; same && i < found->natts; i++)
		same = TupleDescAttr(found, i)->atttypid ==
				TupleDescAttr(expected, i)->atttypid &&
			TupleDescAttr(found, i)->attisdropped ==
				TupleDescAttr(expected, i)->attisdropped;
	if (!same)
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("the columns of net._http_response were changed during the wait"),
				errhint("Wait again."));
}
