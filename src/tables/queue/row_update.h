/*
 * row_update.h -- the worker's own updates of rows of the queue.
 *
 * Runs in: workers, inside a transaction with the tables locked.
 *
 * They are bookkeeping.  No trigger or rule of users takes part, but for
 * triggers that are enabled as REPLICA or ALWAYS, so none can change or refuse
 * them.  The worker keeps what it read ahead: queue_changed tells it of the
 * changes of others only.  A row gets another tid.
 */
#ifndef PGNET_ROW_UPDATE_H
#define PGNET_ROW_UPDATE_H

#include "postgres.h"

#include "tables/statement.h"

/*
 * Update the rows with these ids, each once, in one statement; how many were
 * updated.  It is an UPDATE of net.http_request_queue AS q that takes the
 * places of the rows for $1, a tid[] in the order of the ids and null for a row
 * that is left out.  The caller fills in the values from $2 on; arrays among
 * them go by the same order:
 *
 *   ... WHERE q.ctid OPERATOR(pg_catalog.=) ANY ($1)
 *   ... FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2))
 *       AS u (place, due) WHERE q.ctid OPERATOR(pg_catalog.=) u.place
 *
 * Rows are left out that are gone, and those that somebody else holds locked:
 * nobody is waited for.  *updated, unless NULL, says of each id whether its row
 * was updated.
 *
 * Columns that SET does not name keep their values where they are, TOASTed
 * ones in particular.  A condition on q.id must not be added: it may have the
 * planner read all of the queue.
 */
extern int	pgnet_queue_rows_update(PreparedStatement *update,
									const int64 *ids, int nids, Datum *values,
									bool *updated);

#endif							/* PGNET_ROW_UPDATE_H */
