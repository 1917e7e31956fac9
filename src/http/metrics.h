/*
 * metrics.h -- what was measured of a request.
 *
 * Runs in: workers.  Nothing here throws.
 */
#ifndef PGNET_METRICS_H
#define PGNET_METRICS_H

#include "postgres.h"

#include "job.h"
#include "http/address.h"
#include "http/dial.h"

/* What was measured of one step; times are by pgnet_monotonic_us(), 0: none. */
typedef struct HopTimes
{
	int64		began_us;
	int64		asked_us;		/* for a connection, the last time */
	DialTimes	dial;			/* of a connection made for it; else zeros */
	bool		by_tls;			/* that has TLS */
	int64		ready_us;		/* the request went to a connection */
	int64		first_byte_us;	/* of a response */
	int64		ended_us;
	const char *version;		/* of HTTP, static; NULL: nothing came */
	uint64		body_bytes;		/* received */
	uint64		body_sent;
	Address		peer;
} HopTimes;

/* A request is about to be sent: forget what was measured of it before. */
extern void pgnet_metrics_begin(Job *job);

/*
 * A step of the request has ended, well or not: add it to what was measured
 * before it.
 */
extern void pgnet_metrics_add(Job *job, const HopTimes *times);

#endif							/* PGNET_METRICS_H */
