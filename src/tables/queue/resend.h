/*
 * resend.h -- send requests of the queue at another time, or remove them.
 *
 * Runs in: client backends, inside a transaction.
 */
#ifndef PGNET_RESEND_H
#define PGNET_RESEND_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "utils/jsonb.h"

/* A row of the queue, locked until the transaction ends. */
typedef struct LockedRequest
{
	int64		id;
	bool		gave_up;
	Jsonb	   *failures;		/* NULL: none */
} LockedRequest;

/*
 * Lock the row of a request, waiting for others that have it locked.  False if
 * there is no such row, or if the current role may not control it: it needs the
 * privileges of the row's role or of the owner of the tables, or to be a
 * superuser.
 */
extern bool pgnet_request_lock(int64 id, LockedRequest *request);

/*
 * Make a request due at a time.  One that was given up begins a new round, and
 * its responses are removed.
 */
extern void pgnet_request_resend(const LockedRequest *request,
								 TimestampTz due);

/* Remove a request from the queue. */
extern void pgnet_request_cancel(const LockedRequest *request);

#endif							/* PGNET_RESEND_H */
