/*
 * expiry.h -- removing responses that are older than pg_net.ttl.
 *
 * Runs in: workers.
 */
#ifndef PGNET_EXPIRY_H
#define PGNET_EXPIRY_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "worker/pace.h"
#include "worker/table_guard.h"

typedef struct Expiry
{
	TimestampTz due;			/* of the next response, by the wall clock */
	Backoff		backoff;
	Pace		pace;
	int			skip;			/* so many of the oldest cannot be removed */
	Backoff		refused;		/* when those are tried again */
	bool		said_refused;	/* in the log */
} Expiry;

/* Responses were recorded, which are due pg_net.ttl later. */
extern void pgnet_expiry_note_recorded(Expiry *expiry);

/* pg_net.ttl or the table may have changed: read the table at once. */
extern void pgnet_expiry_look_now(Expiry *expiry);

/*
 * When to call _run(), on the clock of now, which is pgnet_clock_now();
 * DT_NOEND: never.  patience_ms: how much later than due is acceptable.
 */
extern TimestampTz pgnet_expiry_due(const Expiry *expiry, TimestampTz now,
									int patience_ms);

/* Are responses due, even if removing them failed? */
extern bool pgnet_expiry_is_pending(const Expiry *expiry);

/* Remove some of those that are due.  True if any were removed. */
extern bool pgnet_expiry_run(Expiry *expiry, TableGuard *guard);

#endif							/* PGNET_EXPIRY_H */
