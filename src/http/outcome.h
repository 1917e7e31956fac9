/*
 * outcome.h -- what was found out, as an outcome.
 *
 * Runs in: workers.  Nothing here throws.  All that an outcome points to is
 * in the request's memory context, but for the body.
 */
#ifndef PGNET_OUTCOME_H
#define PGNET_OUTCOME_H

#include "postgres.h"

#include "job.h"
#include "http/errors.h"
#include "http/header_section.h"
#include "http/transfer_body.h"

/* A response came; its outcome points to the fields and into the body. */
extern void pgnet_outcome_answered(Job *job, int status,
								   const HeaderSection *headers,
								   const TransferBody *body);

/* How much of its time a request spent with what, in milliseconds. */
typedef struct TimeSpent
{
	double		lookup;
	double		connect;
	double		exchange;
} TimeSpent;

/*
 * The timeout went by, or if connect_timeout_ms is not 0 that for having a
 * connection.
 */
extern void pgnet_outcome_timed_out(Job *job, const TimeSpent *spent,
									int connect_timeout_ms);

/*
 * There is no response, but its header section came: keep that and the
 * beginning of the body, if there is memory for it.
 */
extern void pgnet_outcome_keep_part(Job *job, int status,
									const HeaderSection *headers,
									const TransferBody *body);

/* It failed at phase, as "connecting to", with url; NULL: with no host. */
extern void pgnet_outcome_error(Job *job, const HttpError *error,
								const char *phase, const char *url);

/* It can be sent later: nothing of it has left this machine. */
extern void pgnet_outcome_not_sent(Job *job, HttpShortage shortage,
								   int shortage_errno);

/* We gave up. */
extern void pgnet_outcome_failed(Job *job, const char *format,
								 ...) pg_attribute_printf(2, 3);

#endif							/* PGNET_OUTCOME_H */
