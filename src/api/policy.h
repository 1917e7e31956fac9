/*
 * policy.h -- may this role send this request?
 *
 * Runs in: client backends.
 */
#ifndef PGNET_POLICY_H
#define PGNET_POLICY_H

#include "postgres.h"

#include "tables/queue/queue.h"

/* Raise an error unless the request, checked and complete, may be queued. */
extern void pgnet_policy_require(const QueueRow *row);

#endif							/* PGNET_POLICY_H */
