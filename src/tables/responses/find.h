/*
 * find.h -- where a request is, and its response.
 *
 * Runs in: client backends.
 */
#ifndef PGNET_FIND_H
#define PGNET_FIND_H

#include "postgres.h"

#include "utils/jsonb.h"

#include "compat.h"

/* Where a request is, as one snapshot shows it to the current role. */
typedef enum RequestState
{
	PGNET_REQUEST_UNKNOWN,		/* neither queued nor answered */
	PGNET_REQUEST_UNCOMMITTED,	/* queued by this very transaction */
	PGNET_REQUEST_WAITING,		/* queued or in flight */
	PGNET_REQUEST_SCHEDULED,	/* waiting for its time */
	PGNET_REQUEST_GAVE_UP,		/* given up, and kept to be sent again */
	PGNET_REQUEST_RECORDED		/* a response row is there */
} RequestState;

/* The end of a request, as long as nobody sends it again. */
static inline bool
pgnet_request_is_over(RequestState state)
{
	return state != PGNET_REQUEST_WAITING && state != PGNET_REQUEST_SCHEDULED;
}

/* A response row, copied; NULL and -1 stand for null columns. */
typedef struct ResponseRow
{
	int			status_code;
	Jsonb	   *headers;
	text	   *content;
	char	   *error;			/* or what a request waits for */
} ResponseRow;

/*
 * Find a request.  *row is its response, or says what it waits for or why it
 * was given up, allocated in the current memory context; row may be NULL.
 * Sees what is committed now, at any isolation level, with the privileges of
 * the current role.
 */
extern RequestState pgnet_response_find(int64 id, ResponseRow *row);

/* The same, but releases all locks: for a caller that waits. */
extern RequestState pgnet_response_peek(int64 id, ResponseRow *row);

/* The error of waiting for a request that this very transaction has queued. */
pg_noreturn extern void pgnet_response_refuse_uncommitted(int64 id);

#endif							/* PGNET_FIND_H */
