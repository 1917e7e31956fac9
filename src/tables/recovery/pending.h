/*
 * pending.h -- what is left to do in a database without a worker.
 *
 * Runs in: processes that look at databases at the server's start.
 */
#ifndef PGNET_PENDING_H
#define PGNET_PENDING_H

#include "postgres.h"

#include "datatype/timestamp.h"

typedef struct Leftovers
{
	bool		requests;		/* some are to be sent now */
	TimestampTz next_due;		/* of the others; DT_NOEND: there are none */
	TimestampTz oldest_response;	/* DT_NOEND: there is none */
} Leftovers;

/*
 * Look, inside a transaction, with the tables locked.  When nothing is to be
 * sent this takes note of a crash (crash_count.h), which nothing is charged
 * with, so that the next worker does not take what is queued later for what
 * waited then.
 */
extern void pgnet_leftovers_find(Leftovers *leftovers);

#endif							/* PGNET_PENDING_H */
