/*
 * secrets.h -- net.secret: values that are put in when a request is sent.
 *
 * A header value may refer to a secret, as net.secret(name) writes it.  Every
 * function runs inside a transaction; with no reference none asks the tables.
 */
#ifndef PGNET_SECRETS_H
#define PGNET_SECRETS_H

#include "postgres.h"

#include "job.h"
#include "tables/queue/queue.h"

/*
 * Why a row to be may not use the secrets it refers to, a palloc'd sentence
 * without a period; NULL when it may.  Runs in: client backends.
 */
extern char *pgnet_secrets_problem(const QueueRow *row);

/* Does a request, loaded, refer to any?  Runs in: workers. */
extern bool pgnet_secrets_wanted(const Job *job);

/*
 * Put the values into a request, or decide it because that cannot be done.
 * Runs in: workers.
 */
extern void pgnet_secrets_fill(Job *job);

#endif							/* PGNET_SECRETS_H */
