/*
 * response_log.h -- net._http_response: what became of requests.
 */
#ifndef PGNET_RESPONSE_LOG_H
#define PGNET_RESPONSE_LOG_H

#include "postgres.h"

#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "exchange.h"

/* How much may change when outcomes are recorded. */
typedef enum RecordMode
{
	PGNET_RECORD_NORMAL,		/* as any statement: triggers fire */
	PGNET_RECORD_NO_TRIGGERS,	/* user triggers failed: leave them out */
	PGNET_RECORD_REMOVE_ONLY	/* give up the response, remove the row */
} RecordMode;

/* Where a request is, as one snapshot shows it to the current role. */
typedef enum RequestState
{
	PGNET_REQUEST_UNKNOWN,		/* neither queued nor answered */
	PGNET_REQUEST_UNCOMMITTED,	/* queued by this very transaction */
	PGNET_REQUEST_WAITING,		/* queued or in flight */
	PGNET_REQUEST_RECORDED		/* a response row is there */
} RequestState;

/* A response row, copied; NULL and -1 stand for null columns. */
typedef struct ResponseRow
{
	int			status_code;
	Jsonb	   *headers;
	text	   *content;
	char	   *error;
} ResponseRow;

/*
 * Store the outcomes and remove their rows from the queue, in the current
 * transaction, with the tables locked.  Requests of a table that is gone,
 * because the extension was dropped and created again, are left out.  Throws
 * whatever the tables' triggers and constraints throw.  Runs in: workers.
 */
extern void pgnet_responses_record(HttpRequest *const *requests, int nrequests,
								   RecordMode mode);

/*
 * Of these ids, drop those whose queue row somebody else holds locked: the
 * others are moved to the front, and their number returned.  Their rows are
 * locked.  Runs in: workers.
 */
extern int	pgnet_responses_recordable(HttpRequest **requests, int nrequests);

/*
 * Remove up to limit responses created before the given time that nobody
 * holds locked; how many there were.  Runs in: workers.
 */
extern int	pgnet_responses_expire(TimestampTz before, int limit);

/* When the oldest response was created; false when there is none. */
extern bool pgnet_responses_oldest(TimestampTz *created);

/*
 * Where a request is, and its response when recorded, in the current memory
 * context.  Sees what is committed now, whatever the isolation level.  Reads
 * with the rights of the current role.  Runs in: client backends.
 */
extern RequestState pgnet_response_find(int64 id, ResponseRow *row);

#endif							/* PGNET_RESPONSE_LOG_H */
