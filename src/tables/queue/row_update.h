/*
 * row_update.h -- the worker's own updates of rows of the queue.
 *
 * Runs in: workers, inside a transaction with the tables locked.
 *
 * They are bookkeeping, with session_replication_role = replica: triggers and
 * rules of users do not fire and cannot change or refuse them, unless they are
 * enabled as REPLICA or ALWAYS.  Nor does our own trigger queue_changed, which
 * would have the worker discard what it has read ahead.  An updated row has
 * another tid.
 */
#ifndef PGNET_ROW_UPDATE_H
#define PGNET_ROW_UPDATE_H

#include "postgres.h"

#include "tables/statement.h"

/*
 * Update the rows with these ids, each once, in one statement; returns how many
 * were updated.  update is an UPDATE of net.http_request_queue AS q, and its $1
 * is a tid[] in the order of the ids, null for a row that is left out.  The
 * caller sets the values from $2 on; arrays among them are in the same order:
 *
 *   ... WHERE q.ctid OPERATOR(pg_catalog.=) ANY ($1)
 *   ... FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2))
 *       AS u (place, due) WHERE q.ctid OPERATOR(pg_catalog.=) u.place
 *
 * Left out are rows that are gone or that somebody else has locked; it does not
 * wait for locks.  updated[], unless NULL, is set to whether the row of each id
 * was updated.
 *
 * TOASTed values of columns that SET does not name are not copied.  Do not add
 * a condition on q.id: the planner might then read the whole queue.
 */
extern int	pgnet_queue_rows_update(PreparedStatement *update,
									const int64 *ids, int nids, Datum *values,
									bool *updated);

#endif							/* PGNET_ROW_UPDATE_H */
