/*
 * secrets.h -- net.secret: values that are put in when a request is sent.
 *
 * A header value may contain references to secrets, as net.secret(name) writes
 * them.  The functions run inside a transaction; without a reference they read
 * no table.
 */
#ifndef PGNET_SECRETS_H
#define PGNET_SECRETS_H

#include "postgres.h"

#include "job.h"
#include "tables/queue/queue.h"

/*
 * Why a row to be queued may not use the secrets that it refers to: a palloc'd
 * sentence without a period, or NULL.  Runs in: client backends.
 */
extern char *pgnet_secrets_problem(const QueueRow *row);

/* Does a loaded request refer to a secret?  Runs in: workers. */
extern bool pgnet_secrets_wanted(const Job *job);

/*
 * Replace the references in the headers of a loaded request, or set its outcome
 * if that is not possible.  Runs in: workers.
 */
extern void pgnet_secrets_fill(Job *job);

#endif							/* PGNET_SECRETS_H */
