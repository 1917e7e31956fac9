/*
 * access_rule_rows.h -- net.access_rule: who may send what to where.
 *
 * Runs in: client backends and workers, inside a transaction.  With an empty
 * table nothing here costs more than a look at a flag.
 */
#ifndef PGNET_ACCESS_RULE_ROWS_H
#define PGNET_ACCESS_RULE_ROWS_H

#include "postgres.h"

#include "job.h"
#include "tables/queue/queue.h"

/*
 * Why the rules do not allow a request: a palloc'd sentence without a period,
 * *detail another one with a period.  NULL when they do, or when there are no
 * rules and none is required.
 */
extern char *pgnet_access_problem(const QueueRow *row, bool rule_required,
								  char **detail);

/*
 * Decide a request, loaded, that is not allowed.  One that is has the rules of
 * its role from now on, for its redirects.
 */
extern void pgnet_access_apply(Job *job, bool rule_required);

#endif							/* PGNET_ACCESS_RULE_ROWS_H */
