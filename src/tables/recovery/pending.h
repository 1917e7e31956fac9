/*
 * pending.h -- what is left to do in a database without a worker.
 *
 * Runs in: probes, inside a transaction with the tables locked.
 */
#ifndef PGNET_PENDING_H
#define PGNET_PENDING_H

#include "postgres.h"

#include "datatype/timestamp.h"

typedef struct PendingWork
{
	bool		requests;		/* are there any to be sent now? */
	TimestampTz next_due;		/* when one will be; DT_NOEND: never */
	TimestampTz oldest_response;	/* DT_NOEND: there is none */
} PendingWork;

/*
 * Find out.  If nothing is to be sent now, also reset the mark of a crash of
 * the server (crash_count.h), without charging any request: a worker that
 * starts later would take what was queued meanwhile for what waited at the
 * crash.
 */
extern void pgnet_pending_work_find(PendingWork *pending);

#endif							/* PGNET_PENDING_H */
