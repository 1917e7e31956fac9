/*
 * verdict.h -- what became of the request of a transfer that ended.
 *
 * Runs in: workers.  Nothing here throws.
 */
#ifndef PGNET_VERDICT_H
#define PGNET_VERDICT_H

#include "postgres.h"

#include "http/transfer_state.h"

/*
 * Set the outcome of a transfer's request, by what is known of it; answered:
 * its exchange came to its end, or was stopped by us.
 */
extern void pgnet_verdict(Transfer *transfer, bool answered);

#endif							/* PGNET_VERDICT_H */
