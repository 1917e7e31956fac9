/*
 * expiry.h -- removing responses that are older than pg_net.ttl.
 *
 * Runs in: workers.
 */
#ifndef PGNET_EXPIRY_H
#define PGNET_EXPIRY_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "worker/access.h"
#include "worker/pace.h"

/* When the next response is due to go; DT_NOEND while there is none. */
typedef struct Expiry
{
	TimestampTz due;			/* by the wall clock */
	Backoff		backoff;
	Pace		pace;
	int			skip;			/* of the oldest: they could not be removed */
	Backoff		refused;		/* until those are tried again */
	bool		said_refused;	/* in the log */
} Expiry;

/* Responses were recorded: some will be due one day. */
extern void pgnet_expiry_note_recorded(Expiry *expiry);

/* The setting or the table may have changed: look now. */
extern void pgnet_expiry_look_now(Expiry *expiry);

/*
 * When to remove some, by pgnet_clock_now(), which is now; DT_NOEND: never.
 * With patience, so much later than they may go.
 */
extern TimestampTz pgnet_expiry_due(const Expiry *expiry, TimestampTz now,
									int patience_ms);

/* May some go, whether or not removing them failed? */
extern bool pgnet_expiry_is_pending(const Expiry *expiry);

/* Remove some; true when there were any. */
extern bool pgnet_expiry_run(Expiry *expiry, TableAccess *access);

#endif							/* PGNET_EXPIRY_H */
