/*
 * callback_state.h -- what the process of callbacks says of itself.
 *
 * Runs in: every process.
 *
 * A database has one such process at most, and that calls functions for one
 * role only.  The launcher starts it when rows wait.  When other roles' rows
 * wait as well, it hands over: it says whose turn is next, and ends.  One that
 * is stuck in a function is given up on: another one takes its place, which
 * calls for other roles.
 */
#ifndef PGNET_CALLBACK_STATE_H
#define PGNET_CALLBACK_STATE_H

#include "postgres.h"

#include "shared/database_state.h"

/*
 * Rows of that role wait to be called with: wake the process, or have one
 * started.  Owner is that of the tables.  Called after commit: must not throw.
 */
extern void pgnet_callbacks_announce(DatabaseState *database, Oid role,
									 Oid owner);

/*
 * The same for what waited when a worker began.  If that is the first since
 * the server started, it may have crashed in a call.
 */
extern void pgnet_callbacks_announce_found(DatabaseState *database, Oid role,
										   Oid owner);

/* A worker has looked for such rows. */
extern void pgnet_callbacks_set_looked(DatabaseState *database);

/*
 * Have the process look at what it is asked to do, if there is one; its pid or
 * 0.  Must not throw.
 */
extern pid_t pgnet_callbacks_wake(DatabaseState *database);

/*
 * The process's side.  Be it until the exit; false when there is one, or nobody
 * may be connected.  *status is what is known.
 */
extern bool pgnet_callbacks_claim(DatabaseState *database,
								  CallbackStatus *status);

/* It is about to connect as that role; it did.  It may die in between. */
extern void pgnet_callbacks_set_connecting(DatabaseState *database, Oid role);
extern void pgnet_callbacks_set_connected(DatabaseState *database);

/* It looks for rows now: what is announced from here on is news. */
extern void pgnet_callbacks_take(DatabaseState *database);
extern bool pgnet_callbacks_have_news(DatabaseState *database);

/*
 * It begins to call a function, or is done; a death in between is unclean.  If
 * it is not done by then, it is stuck.  False: it was given up on, and has to
 * end without a word, as another one has taken its place.
 */
extern void pgnet_callbacks_begin_call(DatabaseState *database,
									   TimestampTz stuck_at);
extern bool pgnet_callbacks_end_call(DatabaseState *database);

/* Is a process of that role stuck?  Then no other one is to call for it. */
extern bool pgnet_callbacks_are_stuck(DatabaseState *database, Oid role);

/* Is a row made then to be called with carefully? */
extern bool pgnet_callbacks_are_careful(DatabaseState *database,
										TimestampTz created);

/* It leaves; the next one calls for that role; InvalidOid: finds out which. */
extern void pgnet_callbacks_hand_over(DatabaseState *database, Oid role);

/* It leaves, and nothing is to be called. */
extern void pgnet_callbacks_set_clean_exit(DatabaseState *database);

/*
 * The launcher's side: the pid of the process if it is stuck, otherwise 0.
 * *replaced: another one may be started for other roles.  Not if that was done
 * PGNET_MAX_STUCK times, and all of those are stuck still.
 */
extern pid_t pgnet_callbacks_give_up_on(DatabaseState *database,
										bool *replaced);

/* It is about to be started. */
extern void pgnet_callbacks_mark_starting(DatabaseState *database);

#endif							/* PGNET_CALLBACK_STATE_H */
