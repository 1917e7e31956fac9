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
 * Lock the row of a request; false when it is not there, or when the current
 * role has not the rights of the row's role, is not the owner of the tables and
 * no superuser.  Waits for others who hold the row.
 */
extern bool pgnet_request_lock(int64 id, LockedRequest *request);

/*
 * Have it sent at a time.  A request that was given up begins a new round, and
 * its responses are removed.
 */
extern void pgnet_request_resend(const LockedRequest *request,
								 TimestampTz due);

/* Remove it. */
extern void pgnet_request_cancel(const LockedRequest *request);

#endif							/* PGNET_RESEND_H */
