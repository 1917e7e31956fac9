/*
 * metrics.h -- what libcurl measured of a request.
 *
 * Runs in: workers.  Nothing here throws.
 */
#ifndef PGNET_METRICS_H
#define PGNET_METRICS_H

#include "postgres.h"

#include <curl/curl.h>

#include "job.h"

/* A request is about to be sent: forget what was measured of it before. */
extern void pgnet_metrics_begin(Job *job);

/*
 * A transfer of the request has ended, well or not: add it to what was
 * measured before it, for a redirect that is followed by another transfer.
 */
extern void pgnet_metrics_add(Job *job, CURL *easy);

/*
 * How long a transfer took to have a connection that it sent its request on, 0
 * if it did not come that far.
 */
extern int64 pgnet_metrics_ready_us(CURL *easy);

/* What a transfer that failed was at, as "connecting to": a host follows. */
extern const char *pgnet_metrics_phase(CURL *easy);

#endif							/* PGNET_METRICS_H */
