/*
 * outcome_rows.c -- outcomes as the rows of a relation that statements read.
 *
 * Runs in: workers.
 *
 * The relation is a named tuplestore, as a trigger's transition tables are
 * (commands/trigger.c): one copy of each row, where arrays to unnest would be
 * one for each column and three of each value.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/queryenvironment.h"
#include "utils/tuplestore.h"

#include "tables/headers.h"
#include "tables/outcome_rows.h"
#include "tables/text.h"

/* A batch is bounded by who makes it, and never goes to a file. */
#define STORE_KB (MAX_KILOBYTES / 2)

/* The columns of a response. */
enum
{
	ROW_ID,
	ROW_STATUS_CODE,
	ROW_CONTENT_TYPE,
	ROW_HEADERS,
	ROW_CONTENT,
	ROW_TIMED_OUT,
	ROW_ERROR_MSG,
	ROW_CONTENT_BYTES,
	ROW_ROLE,
	NCOLUMNS
};

static const struct
{
	const char *name;
	Oid			type;
} columns[NCOLUMNS] = {
	[ROW_ID] = {"id", INT8OID},
	[ROW_STATUS_CODE] = {"status_code", INT4OID},
	[ROW_CONTENT_TYPE] = {"content_type", TEXTOID},
	[ROW_HEADERS] = {"headers", JSONBOID},
	[ROW_CONTENT] = {"content", TEXTOID},
	[ROW_TIMED_OUT] = {"timed_out", BOOLOID},
	[ROW_ERROR_MSG] = {"error_msg", TEXTOID},
	[ROW_CONTENT_BYTES] = {"content_bytes", BYTEAOID},
	[ROW_ROLE] = {"role", REGROLEOID},
};

/* One row, as tuplestore_putvalues() wants it. */
typedef struct Row
{
	Datum		values[NCOLUMNS];
	bool		nulls[NCOLUMNS];
} Row;

/*
 * The header fields converted last.  The answers of one server within a batch
 * often have the same, and building a jsonb is most of the work on a row.
 */
typedef struct LastFields
{
	const HttpHeader *headers;
	int			nheaders;
	Datum		jsonb;
	MemoryContext context;		/* of jsonb */
} LastFields;

static void add_rows(Tuplestorestate *store, HttpRequest *const *requests,
					 int nrequests);
static void register_rows(Tuplestorestate *store, int nrows);
static TupleDesc row_desc(void);
static void fill_row(Row *row, const HttpRequest *request, LastFields *last);
static void fill_answer(Row *row, const HttpOutcome *outcome, LastFields *last);
static Datum fields_datum(const HttpHeader *headers, int nheaders,
						  LastFields *last);
static bool same_fields(const HttpHeader *headers, int nheaders,
						const LastFields *last);
static void set(Row *row, int column, Datum value);
static Datum text_datum(const char *received);

/* Make the relation. */
void
pgnet_outcome_rows_begin(HttpRequest *const *requests, int nrequests)
{
	Tuplestorestate *store = tuplestore_begin_heap(false, false, STORE_KB);

	add_rows(store, requests, nrequests);
	register_rows(store, nrequests);
}

/* Take it away; the tuplestore goes with its memory context. */
void
pgnet_outcome_rows_end(void)
{
	SPI_unregister_relation(PGNET_OUTCOME_ROWS);
}

/* Put a row for each request into the tuplestore. */
static void
add_rows(Tuplestorestate *store, HttpRequest *const *requests, int nrequests)
{
	LastFields	last = {.context = CurrentMemoryContext};
	MemoryContext row_context = AllocSetContextCreate(CurrentMemoryContext,
													  "pg_net outcome row",
													  ALLOCSET_DEFAULT_SIZES);
	MemoryContext before = MemoryContextSwitchTo(row_context);

	for (int i = 0; i < nrequests; i++)
	{
		Row			row;

		fill_row(&row, requests[i], &last);
		tuplestore_putvalues(store, row_desc(), row.values, row.nulls);
		MemoryContextReset(row_context);
	}
	MemoryContextSwitchTo(before);
	MemoryContextDelete(row_context);
}

/* Let statements find the tuplestore. */
static void
register_rows(Tuplestorestate *store, int nrows)
{
	EphemeralNamedRelation relation = palloc0(sizeof(*relation));

	relation->md.name = PGNET_OUTCOME_ROWS;
	relation->md.tupdesc = row_desc();
	relation->md.enrtype = ENR_NAMED_TUPLESTORE;
	relation->md.enrtuples = nrows;
	relation->reldata = store;
	if (SPI_register_relation(relation) != SPI_OK_REL_REGISTER)
		elog(ERROR, "could not register relation \"%s\"", PGNET_OUTCOME_ROWS);
}

/* The shape of a row; made once, because prepared statements refer to it. */
static TupleDesc
row_desc(void)
{
	static TupleDesc desc = NULL;
	MemoryContext before;

	if (desc != NULL)
		return desc;
	before = MemoryContextSwitchTo(TopMemoryContext);
	desc = CreateTemplateTupleDesc(NCOLUMNS);
	for (int i = 0; i < NCOLUMNS; i++)
		TupleDescInitEntry(desc, i + 1, columns[i].name, columns[i].type, -1,
						   0);
	MemoryContextSwitchTo(before);
	return desc;
}

/* What is known of any request that is finished. */
static void
fill_row(Row *row, const HttpRequest *request, LastFields *last)
{
	const HttpOutcome *outcome = &request->outcome;

	memset(row->nulls, true, sizeof(row->nulls));
	set(row, ROW_ID, Int64GetDatum(request->id));
	set(row, ROW_TIMED_OUT,
		BoolGetDatum(outcome->kind == PGNET_OUTCOME_TIMED_OUT));
	if (OidIsValid(request->role))
		set(row, ROW_ROLE, ObjectIdGetDatum(request->role));
	if (outcome->kind == PGNET_OUTCOME_ANSWERED)
		fill_answer(row, outcome, last);
	else
		set(row, ROW_ERROR_MSG, text_datum(outcome->error));
}

/* What a server answered; a body that is no text is stored as its bytes. */
static void
fill_answer(Row *row, const HttpOutcome *outcome, LastFields *last)
{
	text	   *content = pgnet_text_from_body(outcome->content,
											   outcome->content_len,
											   outcome->content_type);

	set(row, ROW_STATUS_CODE, Int32GetDatum(outcome->status_code));
	set(row, ROW_HEADERS,
		fields_datum(outcome->headers, outcome->nheaders, last));
	if (outcome->content_type != NULL)
		set(row, ROW_CONTENT_TYPE, text_datum(outcome->content_type));
	if (content != NULL)
		set(row, ROW_CONTENT, PointerGetDatum(content));
	else
		set(row, ROW_CONTENT_BYTES,
			pgnet_bytes_datum(outcome->content, outcome->content_len));
}

/* Header fields as jsonb. */
static Datum
fields_datum(const HttpHeader *headers, int nheaders, LastFields *last)
{
	MemoryContext before;
	Datum		jsonb;

	if (same_fields(headers, nheaders, last))
		return last->jsonb;
	jsonb = JsonbPGetDatum(pgnet_headers_to_jsonb(headers, nheaders));

	before = MemoryContextSwitchTo(last->context);
	if (last->headers != NULL)
		pfree(DatumGetPointer(last->jsonb));
	last->jsonb = datumCopy(jsonb, false, -1);
	MemoryContextSwitchTo(before);
	last->headers = headers;
	last->nheaders = nheaders;
	return last->jsonb;
}

/* Are these the fields converted last? */
static bool
same_fields(const HttpHeader *headers, int nheaders, const LastFields *last)
{
	if (last->headers == NULL || nheaders != last->nheaders)
		return false;
	for (int i = 0; i < nheaders; i++)
		if (strcmp(headers[i].value, last->headers[i].value) != 0 ||
			strcmp(headers[i].name, last->headers[i].name) != 0)
			return false;
	return true;
}

/* Give a column its value. */
static void
set(Row *row, int column, Datum value)
{
	row->values[column] = value;
	row->nulls[column] = false;
}

/* What libcurl or a server said, as text. */
static Datum
text_datum(const char *received)
{
	return CStringGetTextDatum(pgnet_text_from_header(received));
}
