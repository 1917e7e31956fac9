/*
 * access_rule_rows.h -- net.access_rule: who may send what to where.
 *
 * Runs in: client backends and workers, inside a transaction.  While the table
 * is empty, these functions read no table.
 */
#ifndef PGNET_ACCESS_RULE_ROWS_H
#define PGNET_ACCESS_RULE_ROWS_H

#include "postgres.h"

#include "job.h"
#include "tables/queue/queue.h"

/*
 * Why the rules do not allow to queue a row: a palloc'd sentence without a
 * period, and *detail another one with a period.  NULL if they allow it, or if
 * there are no rules and none is required.
 */
extern char *pgnet_access_problem(const QueueRow *row, bool rule_required,
								  char **detail);

/*
 * Judge a loaded request.  If the rules do not allow it, its outcome is set;
 * otherwise it gets the rules of its role, which apply to its redirects.
 */
extern void pgnet_access_apply(Job *job, bool rule_required);

#endif							/* PGNET_ACCESS_RULE_ROWS_H */
