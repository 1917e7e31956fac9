/*
 * server_log.h -- what the log of the server says of endpoints and attempts.
 *
 * Runs in: workers.
 *
 * There is a line when an endpoint changes its state, and a bounded number of
 * them: when many endpoints change within a minute, the others are counted, and
 * the minute ends with one line for all of them.  Attempts have lines only if a
 * setting asks for it.  No line has a secret, a path, a query, a user or a
 * header field.
 */
#ifndef PGNET_SERVER_LOG_H
#define PGNET_SERVER_LOG_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "job.h"

/* Requests to net://name are held because attempts failed, job's the last. */
extern void pgnet_server_log_failing(const Job *job, TimestampTz until,
									 TimestampTz now);

/* They are no longer, since the attempt of job. */
extern void pgnet_server_log_well(const Job *job, TimestampTz since,
								  TimestampTz now);

/* Somebody said that net://name is no longer paused. */
extern void pgnet_server_log_resumed(const char *endpoint, TimestampTz now);

/* Write the line for what was only counted, if its time has come. */
extern TimestampTz pgnet_server_log_due(void);
extern void pgnet_server_log_sum_up(TimestampTz now);

/* An attempt is over, and what becomes of its request is decided. */
extern void pgnet_server_log_attempt(const Job *job);

#endif							/* PGNET_SERVER_LOG_H */
