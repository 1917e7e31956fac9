/*
 * queue_row.h -- the columns of net.http_request_queue.
 *
 * Runs in: client backends (write) and workers (read).
 */
#ifndef PGNET_QUEUE_ROW_H
#define PGNET_QUEUE_ROW_H

#include "postgres.h"

#include "utils/array.h"
#include "utils/jsonb.h"

#include "exchange.h"
#include "job.h"
#include "tables/shape.h"

/* In order of their numbers, which start with 1. */
enum QueueColumn
{
	QUEUE_ID,
	QUEUE_METHOD,
	QUEUE_URL,
	QUEUE_HEADERS,
	QUEUE_BODY,
	QUEUE_TIMEOUT,
	QUEUE_ROLE,
	QUEUE_CONNECT_TIMEOUT,
	QUEUE_MAX_REDIRECTS,
	QUEUE_MAX_RESPONSE_BYTES,
	QUEUE_DECOMPRESS,
	QUEUE_HTTP_VERSION,
	QUEUE_SAME_ORIGIN_HEADERS,
	QUEUE_QUEUED,
	QUEUE_DUE,
	QUEUE_GAVE_UP,
	QUEUE_RETRY,
	QUEUE_FAILURES,
	QUEUE_ORDERING_KEY,
	QUEUE_CALLBACK,
	QUEUE_CONTEXT,
	QUEUE_KEEP,
	QUEUE_DEATHS,
	QUEUE_NCOLUMNS
};

/* A row to be inserted; a pointer may be NULL if the column may be null. */
typedef struct QueueRow
{
	int64		id;				/* 0: the default of the column gives it */
	const char *method;
	const char *url;
	Jsonb	   *headers;
	const char *body;
	size_t		body_len;
	int			timeout_ms;
	Oid			role;
	HttpOptions options;		/* but for same_origin_headers */
	ArrayType  *same_origin_headers;	/* of text */
	TimestampTz due;			/* 0: at once */
	ArrayType  *retry;			/* of interval */
	text	   *ordering_key;
	const char *callback;		/* a qualified name */
	Jsonb	   *context;
	bool		has_keep;		/* the caller says */
	bool		keep;			/* whether a 2xx leaves a response */
} QueueRow;

extern const ShapeColumn pgnet_queue_shape[QUEUE_NCOLUMNS];

/*
 * How many bytes of a row count for pg_net.max_waiting_size_per_role: the
 * columns whose values can be long, before compression.  The second function is
 * for a row that was read, and does not read TOASTed values.
 */
extern size_t pgnet_queue_row_size(const QueueRow *row);
extern size_t pgnet_queue_row_stored_size(const Datum *values,
										  const bool *nulls);

/* The same in SQL, but for how jsonb and arrays count: as they are stored. */
#define PGNET_QUEUE_STORED_SIZE \
	"pg_catalog.octet_length(q.url)" \
	" OPERATOR(pg_catalog.+) COALESCE(pg_catalog.pg_column_size(q.headers), 0)" \
	" OPERATOR(pg_catalog.+) COALESCE(pg_catalog.octet_length(q.body), 0)" \
	" OPERATOR(pg_catalog.+)" \
	" COALESCE(pg_catalog.pg_column_size(q.same_origin_headers), 0)" \
	" OPERATOR(pg_catalog.+) COALESCE(pg_catalog.pg_column_size(q.failures), 0)" \
	" OPERATOR(pg_catalog.+)" \
	" COALESCE(pg_catalog.octet_length(q.ordering_key), 0)" \
	" OPERATOR(pg_catalog.+) COALESCE(pg_catalog.pg_column_size(q.context), 0)"

/* Of one column of variable length; 0 for null. */
extern size_t pgnet_queue_column_size(const Datum *values, const bool *nulls,
									  int column);

/* Set the columns that have no default.  Values may point into row. */
extern void pgnet_queue_row_write(const QueueRow *row, Datum *values,
								  bool *nulls);

/*
 * Copy the columns that are needed to send to a request, in the current memory
 * context, which is the request's.  Returns what is wrong with them, palloc'd,
 * or NULL.
 */
extern char *pgnet_queue_row_read(HttpRequest *request, const Datum *values,
								  const bool *nulls);

/*
 * Copy what a row says of attempts to a job that is read whole, in
 * CurrentMemoryContext, which is the job's own.  What is wrong, palloc'd, or
 * NULL.
 */
extern char *pgnet_queue_row_read_delivery(Delivery *delivery,
										   const Datum *values,
										   const bool *nulls);

#endif							/* PGNET_QUEUE_ROW_H */
