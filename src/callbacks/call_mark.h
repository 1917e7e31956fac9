/*
 * call_mark.h -- a file that says which call was cut off by others.
 *
 * Runs in: the process of the callbacks.
 */
#ifndef PGNET_CALL_MARK_H
#define PGNET_CALL_MARK_H

#include "postgres.h"

#include "shared/database_state.h"

/* Did the last process of this database leave one?  Removes it. */
extern bool pgnet_call_mark_take(int64 *id);

/* From now on, leave one if others end this process; once per process. */
extern void pgnet_call_mark_begin(DatabaseState *database);

/* A death is written down in the response with this id; it no longer is. */
extern void pgnet_call_mark_set(int64 id);
extern void pgnet_call_mark_clear(int64 id);

/* The postmaster ends this process.  For signal handlers. */
extern void pgnet_call_mark_shut_down(void);

#endif							/* PGNET_CALL_MARK_H */
