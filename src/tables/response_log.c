/*
 * response_log.c -- net._http_response: what became of requests.
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "tables/catalog.h"
#include "tables/headers.h"
#include "tables/local_setting.h"
#include "tables/plans.h"
#include "tables/response_log.h"
#include "tables/text.h"

/* The columns of a response as arrays, one element each request. */
enum
{
	ARRAY_ID,
	ARRAY_STATUS_CODE,
	ARRAY_CONTENT_TYPE,
	ARRAY_HEADERS,
	ARRAY_CONTENT,
	ARRAY_TIMED_OUT,
	ARRAY_ERROR_MSG,
	ARRAY_CONTENT_BYTES,
	ARRAY_ROLE,
	NARRAYS
};

/* An array's element type, as construct_md_array() wants it. */
typedef struct ElementType
{
	Oid			oid;
	int			length;
	bool		by_value;
	char		align;
} ElementType;

static const ElementType element_types[NARRAYS] = {
	[ARRAY_ID] = {INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE},
	[ARRAY_STATUS_CODE] = {INT4OID, 4, true, TYPALIGN_INT},
	[ARRAY_CONTENT_TYPE] = {TEXTOID, -1, false, TYPALIGN_INT},
	[ARRAY_HEADERS] = {JSONBOID, -1, false, TYPALIGN_INT},
	[ARRAY_CONTENT] = {TEXTOID, -1, false, TYPALIGN_INT},
	[ARRAY_TIMED_OUT] = {BOOLOID, 1, true, TYPALIGN_CHAR},
	[ARRAY_ERROR_MSG] = {TEXTOID, -1, false, TYPALIGN_INT},
	[ARRAY_CONTENT_BYTES] = {BYTEAOID, -1, false, TYPALIGN_INT},
	[ARRAY_ROLE] = {REGROLEOID, 4, true, TYPALIGN_INT},
};

static PreparedStatement insert_responses = {
	.sql = "INSERT INTO net._http_response"
		   " (id, status_code, content_type, headers, content, timed_out,"
		   " error_msg, content_bytes, role)"
		   " SELECT * FROM ROWS FROM ("
		   " pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3),"
		   " pg_catalog.unnest($4), pg_catalog.unnest($5), pg_catalog.unnest($6),"
		   " pg_catalog.unnest($7), pg_catalog.unnest($8), pg_catalog.unnest($9))",
	.nparams = NARRAYS,
	.param_types = {INT8ARRAYOID, INT4ARRAYOID, TEXTARRAYOID, JSONBARRAYOID,
					TEXTARRAYOID, BOOLARRAYOID, TEXTARRAYOID, BYTEAARRAYOID,
					REGROLEARRAYOID}
};

static PreparedStatement delete_requests = {
	.sql = "DELETE FROM net.http_request_queue AS q"
		   " WHERE q.id OPERATOR(pg_catalog.=) ANY ($1)",
	.nparams = 1,
	.param_types = {INT8ARRAYOID}
};

static PreparedStatement lock_requests = {
	.sql = "SELECT q.id FROM net.http_request_queue AS q"
		   " WHERE q.id OPERATOR(pg_catalog.=) ANY ($1) FOR UPDATE SKIP LOCKED",
	.nparams = 1,
	.param_types = {INT8ARRAYOID}
};

static PreparedStatement existing_requests = {
	.sql = "SELECT q.id FROM net.http_request_queue AS q"
		   " WHERE q.id OPERATOR(pg_catalog.=) ANY ($1)",
	.nparams = 1,
	.param_types = {INT8ARRAYOID}
};

static PreparedStatement expire_responses = {
	.sql = "DELETE FROM net._http_response AS r"
		   " WHERE r.ctid OPERATOR(pg_catalog.=) ANY (ARRAY("
		   " SELECT old.ctid FROM net._http_response AS old"
		   " WHERE old.created OPERATOR(pg_catalog.<) $1"
		   " ORDER BY old.created LIMIT $2 FOR UPDATE SKIP LOCKED))",
	.nparams = 2,
	.param_types = {TIMESTAMPTZOID, INT8OID}
};

static PreparedStatement oldest_response = {
	.sql = "SELECT r.created FROM net._http_response AS r"
		   " ORDER BY r.created LIMIT 1",
};

static void check_removed(Datum ids);
static void insert_outcomes(HttpRequest *const *requests, int nrequests);
static void set_elements(Datum **values, bool **nulls, int row,
						 const HttpRequest *request);
static void set_content(Datum **values, bool **nulls, int row,
						const HttpOutcome *outcome);
static Datum text_datum(const char *received);
static Datum ids_array(HttpRequest *const *requests, int nrequests);
static int	count_found(PreparedStatement *statement, Datum ids, int64 **found);
static bool is_among(int64 id, const int64 *ids, int nids);
static int	compare_ids(const void *a, const void *b);

/* Store outcomes and remove their rows. */
void
pgnet_responses_record(Oid table, HttpRequest *const *requests, int nrequests,
					   RecordMode mode)
{
	CatalogUser before = pgnet_catalog_become_owner();
	HttpRequest **current = palloc(sizeof(HttpRequest *) * nrequests);
	int			ncurrent = 0;
	int			level = 0;
	Datum		ids;

	for (int i = 0; i < nrequests; i++)
		if (requests[i]->table == table)
			current[ncurrent++] = requests[i];
	ids = ids_array(current, ncurrent);

	if (mode != PGNET_RECORD_NORMAL)
		level = pgnet_local_setting_begin("session_replication_role",
										  "replica");
	if (mode != PGNET_RECORD_REMOVE_ONLY && ncurrent > 0)
		insert_outcomes(current, ncurrent);
	pgnet_plan_run(&delete_requests, &ids, NULL, SPI_OK_DELETE);
	if (SPI_processed < (uint64) ncurrent)
		check_removed(ids);
	if (mode != PGNET_RECORD_NORMAL)
		pgnet_local_setting_end(level);
	pgnet_catalog_become(before);
}

/* Find out which rows nobody else holds. */
int
pgnet_responses_recordable(HttpRequest **requests, int nrequests)
{
	CatalogUser before = pgnet_catalog_become_owner();
	Datum		ids = ids_array(requests, nrequests);
	int64	   *locked;
	int64	   *existing;
	int			nlocked = count_found(&lock_requests, ids, &locked);
	int			nexisting = count_found(&existing_requests, ids, &existing);
	int			front = 0;

	pgnet_catalog_become(before);
	for (int i = 0; i < nrequests; i++)
	{
		HttpRequest *request = requests[i];

		/* a row that is gone altogether is in nobody's hands either */
		if (is_among(request->id, existing, nexisting) &&
			!is_among(request->id, locked, nlocked))
			continue;
		requests[i] = requests[front];
		requests[front++] = request;
	}
	return front;
}

/* Remove old responses. */
int
pgnet_responses_expire(TimestampTz before, int limit)
{
	CatalogUser user = pgnet_catalog_become_owner();
	Datum		values[2] = {TimestampTzGetDatum(before), Int64GetDatum(limit)};
	int			count;

	pgnet_plan_run(&expire_responses, values, NULL, SPI_OK_DELETE);
	count = (int) SPI_processed;
	pgnet_catalog_become(user);
	return count;
}

/* Find the oldest response. */
bool
pgnet_responses_oldest(TimestampTz *created)
{
	CatalogUser user = pgnet_catalog_become_owner();
	bool		null = true;

	pgnet_plan_run(&oldest_response, NULL, NULL, SPI_OK_SELECT);
	if (SPI_processed == 1)
	{
		Datum		value = SPI_getbinval(SPI_tuptable->vals[0],
										  SPI_tuptable->tupdesc, 1, &null);

		if (!null)
			*created = DatumGetTimestampTz(value);
	}
	pgnet_catalog_become(user);
	return !null;
}

/*
 * Fewer rows went than there were requests: users may delete rows, but a
 * trigger that keeps one would have its request sent again.
 */
static void
check_removed(Datum ids)
{
	int64	   *left;

	if (count_found(&existing_requests, ids, &left) > 0)
		ereport(ERROR,
				errcode(ERRCODE_TRIGGERED_ACTION_EXCEPTION),
				errmsg("a trigger or rule keeps request " INT64_FORMAT
					   " in net.http_request_queue",
					   left[0]));
}

/* Insert one response row for each request. */
static void
insert_outcomes(HttpRequest *const *requests, int nrequests)
{
	Datum	   *elements[NARRAYS];
	bool	   *element_nulls[NARRAYS];
	Datum		values[NARRAYS];
	int			dimensions[1] = {nrequests};
	int			lower_bounds[1] = {1};

	for (int i = 0; i < NARRAYS; i++)
	{
		elements[i] = palloc(sizeof(Datum) * nrequests);
		element_nulls[i] = palloc(sizeof(bool) * nrequests);
	}
	for (int row = 0; row < nrequests; row++)
		set_elements(elements, element_nulls, row, requests[row]);
	for (int i = 0; i < NARRAYS; i++)
	{
		const ElementType *type = &element_types[i];

		values[i] = PointerGetDatum(construct_md_array(elements[i],
													   element_nulls[i], 1,
													   dimensions,
													   lower_bounds, type->oid,
													   type->length,
													   type->by_value,
													   type->align));
	}
	pgnet_plan_run(&insert_responses, values, NULL, SPI_OK_INSERT);
}

/* Put one request's outcome at its place in every array. */
static void
set_elements(Datum **values, bool **nulls, int row, const HttpRequest *request)
{
	const HttpOutcome *outcome = &request->outcome;
	bool		answered = outcome->kind == PGNET_OUTCOME_ANSWERED;

	for (int i = 0; i < NARRAYS; i++)
		nulls[i][row] = true;

	values[ARRAY_ID][row] = Int64GetDatum(request->id);
	nulls[ARRAY_ID][row] = false;
	values[ARRAY_TIMED_OUT][row] =
		BoolGetDatum(outcome->kind == PGNET_OUTCOME_TIMED_OUT);
	nulls[ARRAY_TIMED_OUT][row] = false;
	if (OidIsValid(request->role))
	{
		values[ARRAY_ROLE][row] = ObjectIdGetDatum(request->role);
		nulls[ARRAY_ROLE][row] = false;
	}
	if (!answered)
	{
		values[ARRAY_ERROR_MSG][row] = text_datum(outcome->error);
		nulls[ARRAY_ERROR_MSG][row] = false;
		return;
	}

	values[ARRAY_STATUS_CODE][row] = Int32GetDatum(outcome->status_code);
	nulls[ARRAY_STATUS_CODE][row] = false;
	values[ARRAY_HEADERS][row] =
		JsonbPGetDatum(pgnet_headers_to_jsonb(outcome->headers,
											  outcome->nheaders));
	nulls[ARRAY_HEADERS][row] = false;
	if (outcome->content_type != NULL)
	{
		values[ARRAY_CONTENT_TYPE][row] = text_datum(outcome->content_type);
		nulls[ARRAY_CONTENT_TYPE][row] = false;
	}
	set_content(values, nulls, row, outcome);
}

/* A body is stored as text when it is text, and as its bytes when not. */
static void
set_content(Datum **values, bool **nulls, int row, const HttpOutcome *outcome)
{
	text	   *content = pgnet_text_from_body(outcome->content,
											   outcome->content_len,
											   outcome->content_type);
	int			array = content ? ARRAY_CONTENT : ARRAY_CONTENT_BYTES;

	/* text and bytea are the same bytes behind the same header */
	if (content == NULL)
		content = cstring_to_text_with_len(outcome->content,
										   (int) outcome->content_len);
	values[array][row] = PointerGetDatum(content);
	nulls[array][row] = false;
}

/* What libcurl or a server said, as text. */
static Datum
text_datum(const char *received)
{
	return CStringGetTextDatum(pgnet_text_from_header(received));
}

/* The ids of requests as a bigint[]. */
static Datum
ids_array(HttpRequest *const *requests, int nrequests)
{
	const ElementType *type = &element_types[ARRAY_ID];
	Datum	   *ids = palloc(sizeof(Datum) * nrequests);

	for (int i = 0; i < nrequests; i++)
		ids[i] = Int64GetDatum(requests[i]->id);
	return PointerGetDatum(construct_array(ids, nrequests, type->oid,
										   type->length, type->by_value,
										   type->align));
}

/* Run a SELECT of ids; how many, sorted in *found. */
static int
count_found(PreparedStatement *statement, Datum ids, int64 **found)
{
	int			count;
	bool		null;

	pgnet_plan_run(statement, &ids, NULL, SPI_OK_SELECT);
	count = (int) SPI_processed;
	*found = palloc(sizeof(int64) * Max(count, 1));
	for (int i = 0; i < count; i++)
		(*found)[i] = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[i],
												  SPI_tuptable->tupdesc, 1,
												  &null));
	qsort(*found, count, sizeof(int64), compare_ids);
	return count;
}

/* Is id in a sorted array? */
static bool
is_among(int64 id, const int64 *ids, int nids)
{
	return bsearch(&id, ids, nids, sizeof(int64), compare_ids) != NULL;
}

/* Order of ids, for qsort and bsearch. */
static int
compare_ids(const void *a, const void *b)
{
	int64		left = *(const int64 *) a;
	int64		right = *(const int64 *) b;

	return (left > right) - (left < right);
}
