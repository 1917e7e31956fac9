/*
 * endpoint_pause.h -- pausing an endpoint in net.endpoint.
 *
 * Runs in: the process of the callbacks, inside a transaction.
 */
#ifndef PGNET_ENDPOINT_PAUSE_H
#define PGNET_ENDPOINT_PAUSE_H

#include "postgres.h"

typedef enum PauseResult
{
	PGNET_PAUSE_DONE,
	PGNET_PAUSE_LOCKED,			/* somebody holds the table or the row */
	PGNET_PAUSE_NEEDLESS		/* the row was changed since, or is gone */
} PauseResult;

/*
 * Pause it, as the owner of the table, if the row is still of that version (the
 * xmin of it).  Does not wait for a lock of the row or the table; what triggers
 * of users do takes its time.
 */
extern PauseResult pgnet_endpoint_pause(const char *name,
										TransactionId version,
										const char *reason);

#endif							/* PGNET_ENDPOINT_PAUSE_H */
