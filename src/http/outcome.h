/*
 * outcome.h -- what libcurl found out, as an outcome.
 *
 * Runs in: workers.  Nothing here throws.  All that an outcome points to is
 * in the request's memory context, but for the body.
 */
#ifndef PGNET_OUTCOME_H
#define PGNET_OUTCOME_H

#include "postgres.h"

#include <curl/curl.h>

#include "job.h"
#include "http/header_section.h"
#include "http/transfer_body.h"

/* A response came; its outcome points to the fields and into the body. */
extern void pgnet_outcome_answered(Job *job, CURL *easy,
								   const HeaderSection *headers,
								   const TransferBody *body);

/*
 * The timeout went by, or if connect_timeout_ms is not 0 that for having a
 * connection; says in which phase.
 */
extern void pgnet_outcome_timed_out(Job *job, CURL *easy,
									int connect_timeout_ms);

/*
 * There is no response, but its header section came: keep that and the
 * beginning of the body, if there is memory for it.
 */
extern void pgnet_outcome_keep_part(Job *job, CURL *easy,
									const HeaderSection *headers,
									const TransferBody *body);

/* libcurl gave up; detail is what CURLOPT_ERRORBUFFER holds. */
extern void pgnet_outcome_error(Job *job, CURL *easy,
								CURLcode result, const char *detail);

/* It can be sent later: nothing of it has left this machine. */
extern void pgnet_outcome_not_sent(Job *job, HttpShortage shortage,
								   int shortage_errno);

/* We gave up. */
extern void pgnet_outcome_failed(Job *job, const char *format,
								 ...) pg_attribute_printf(2, 3);

#endif							/* PGNET_OUTCOME_H */
