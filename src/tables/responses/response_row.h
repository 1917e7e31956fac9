/*
 * response_row.h -- outcomes as rows of net._http_response.
 *
 * Runs in: workers, inside a transaction.
 */
#ifndef PGNET_RESPONSE_ROW_H
#define PGNET_RESPONSE_ROW_H

#include "postgres.h"

#include "utils/inet.h"

#include "job.h"
#include "tables/shape.h"

/* The columns of net._http_response, in order of their numbers. */
enum
{
	RESPONSE_ID,
	RESPONSE_STATUS_CODE,
	RESPONSE_CONTENT_TYPE,
	RESPONSE_HEADERS,
	RESPONSE_CONTENT,
	RESPONSE_TIMED_OUT,
	RESPONSE_ERROR_MSG,
	RESPONSE_CREATED,
	RESPONSE_CONTENT_BYTES,
	RESPONSE_ROLE,
	RESPONSE_METHOD,
	RESPONSE_URL,
	RESPONSE_FINAL_URL,
	RESPONSE_ATTEMPTS,
	RESPONSE_STARTED,
	RESPONSE_DURATION_MS,
	RESPONSE_DNS_MS,
	RESPONSE_CONNECT_MS,
	RESPONSE_TLS_MS,
	RESPONSE_FIRST_BYTE_MS,
	RESPONSE_REQUEST_BYTES,
	RESPONSE_RESPONSE_BYTES,
	RESPONSE_HTTP_VERSION,
	RESPONSE_REMOTE_ADDRESS,
	RESPONSE_REMOTE_PORT,
	RESPONSE_QUEUED,
	RESPONSE_FAILURES,
	RESPONSE_CONTEXT,
	RESPONSE_CALLBACK,
	RESPONSE_CALLED,
	RESPONSE_CALLBACK_ERROR,
	RESPONSE_CALLBACK_DEATHS,
	RESPONSE_KEEP,
	RESPONSE_COLUMNS
};

/* Makes rows one after the other; remembers the last address it converted. */
typedef struct OutcomeRows
{
	Datum		values[RESPONSE_COLUMNS];	/* of the current row */
	bool		nulls[RESPONSE_COLUMNS];
	MemoryContext row_context;	/* of its values */

	char		address[PGNET_ADDRESS_SIZE];	/* "": none */
	inet		remote;			/* what address means */
} OutcomeRows;

/* Begin; memory is of the current context. */
extern void pgnet_outcome_rows_init(OutcomeRows *rows);

/* Set values and nulls to the row of a job, until the next call. */
extern void pgnet_outcome_rows_fill(OutcomeRows *rows,
									const Job *job);

/* The columns, their names and types. */
extern const ShapeColumn pgnet_outcome_rows_shape[RESPONSE_COLUMNS];

#endif							/* PGNET_RESPONSE_ROW_H */
