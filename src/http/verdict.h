/*
 * verdict.h -- what became of the request of a transfer that ended.
 *
 * Runs in: workers.  Nothing here throws.
 */
#ifndef PGNET_VERDICT_H
#define PGNET_VERDICT_H

#include "postgres.h"

#include <curl/curl.h>

#include "http/transfer.h"

/*
 * Give the request its outcome.  result is libcurl's, or what it would have
 * been.
 */
extern void pgnet_verdict(Transfer *transfer, CURL *easy, CURLcode result);

#endif							/* PGNET_VERDICT_H */
