/*
 * receive.h -- a response, as it arrives, for a transfer.
 *
 * Runs in: workers.  Nothing here throws.
 */
#ifndef PGNET_RECEIVE_H
#define PGNET_RECEIVE_H

#include "postgres.h"

#include "http/transfer_state.h"

/* Set up what takes it. */
extern void pgnet_receive_init(Transfer *transfer);

/* Forget what came of a response before the next one. */
extern void pgnet_receive_again(Transfer *transfer);

/* How many redirects may be followed. */
extern int	pgnet_max_redirects(const Transfer *transfer);

/* Where the answer says to go; NULL when it does not. */
extern const char *pgnet_location(const Transfer *transfer);

#endif							/* PGNET_RECEIVE_H */
