/*
 * call.h -- calling a function with a response.
 *
 * Runs in: the process of the callbacks, inside a transaction.
 */
#ifndef PGNET_CALL_H
#define PGNET_CALL_H

#include "postgres.h"

/*
 * Be that role until the transaction ends, in a security-restricted operation:
 * what runs cannot become anybody else again, nor leave temporary tables.
 * Afterwards be who is connected.
 */
extern void pgnet_become_role(Oid role);
extern void pgnet_become_session(void);

/*
 * Call a function, as its qualified name says, and drop what it returns.
 * Throws whatever SQL throws for "select name(row)", as the current user.
 */
extern void pgnet_function_call(const char *name, Datum row, Oid type);

/*
 * Undo what a function has left in the session, and DISCARD ALL would:
 * settings, advisory locks, what sequences gave.  Outside a transaction.  The
 * rest a security-restricted operation does not allow, or is invisible (plans).
 */
extern void pgnet_session_discard(void);

/*
 * Set what must not depend on the configuration of role or server.  The
 * search_path is that of the role, which may not be who is connected.
 */
extern void pgnet_session_prepare(Oid role);

#endif							/* PGNET_CALL_H */
