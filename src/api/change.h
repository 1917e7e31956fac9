/*
 * change.h -- sleep until a request of this database may have come to its end.
 *
 * Runs in: client backends.
 */
#ifndef PGNET_API_CHANGE_H
#define PGNET_API_CHANGE_H

#include "postgres.h"

#include "shared/database_state.h"

/*
 * Sleep until something was recorded or removed since pgnet_database_changes()
 * returned changes, but no longer than max_ms, or a second.  Can be cancelled.
 */
extern void pgnet_change_wait(DatabaseState *database, uint32 changes,
							  long max_ms);

/* No limit of one's own. */
#define PGNET_NO_LIMIT_MS LONG_MAX

#endif							/* PGNET_API_CHANGE_H */
