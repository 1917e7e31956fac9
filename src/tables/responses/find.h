/*
 * find.h -- where a request is, and its response.
 *
 * Runs in: client backends.
 */
#ifndef PGNET_FIND_H
#define PGNET_FIND_H

#include "postgres.h"

#include "utils/jsonb.h"

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
 * Find a request.  If it is recorded, *row is its response, allocated in the
 * current memory context; row may be NULL.  Sees what is committed now, at any
 * isolation level, with the privileges of the current role.
 */
extern RequestState pgnet_response_find(int64 id, ResponseRow *row);

/* The same, but releases all locks: for a caller that waits. */
extern RequestState pgnet_response_peek(int64 id, ResponseRow *row);

#endif							/* PGNET_FIND_H */
