/*
 * turn.h -- the turn of a role: calling its functions.
 *
 * Runs in: the process of the callbacks.
 */
#ifndef PGNET_CALLBACKS_TURN_H
#define PGNET_CALLBACKS_TURN_H

#include "postgres.h"

#include "shared/database_state.h"

/*
 * Call what waits of that role, until others wait and it had its time, or
 * nothing has waited for a while.  InvalidOid: find out whose turn is next.
 */
extern void pgnet_turn_run(DatabaseState *database, Oid role);

/* Is a function being called?  For signal handlers. */
extern bool pgnet_turn_is_calling(void);

#endif							/* PGNET_CALLBACKS_TURN_H */
