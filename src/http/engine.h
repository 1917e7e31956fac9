/*
 * engine.h -- drives many HTTP transfers at once.
 *
 * Runs in: workers.  Nothing here throws, but for what CHECK_FOR_INTERRUPTS
 * and the end of the postmaster do in pgnet_engine_wait().
 */
#ifndef PGNET_ENGINE_H
#define PGNET_ENGINE_H

#include "postgres.h"

#include "lib/ilist.h"

#include "job.h"
#include "http/defaults.h"
#include "policy/networks.h"

typedef struct HttpEngine HttpEngine;

/*
 * Make an engine that can have max_in_flight transfers; their responses take
 * from account.  NULL, with *error saying why, when the kernel or memory will
 * not.
 */
extern HttpEngine *pgnet_engine_create(MemoryContext parent, Account *account,
									   int max_in_flight, const char **error);

/* The same limit, changed: how many connections to keep. */
extern void pgnet_engine_set_max_in_flight(HttpEngine *engine,
										   int max_in_flight);

/* While descriptors are short: close idle connections before others open. */
extern void pgnet_engine_limit_connections(HttpEngine *engine, bool limit);

/*
 * How to send from the next request, or redirect, on.  The strings have to
 * stay until others are set.
 */
extern void pgnet_engine_set_defaults(HttpEngine *engine,
									  const HttpDefaults *defaults);

/*
 * Where not to connect to from now on; idle connections there are not used
 * again.  The list has to stay until the next call.
 */
extern void pgnet_engine_set_denied_networks(HttpEngine *engine,
											 const Networks *networks);

/* Send a request, which is the engine's until it is finished. */
extern void pgnet_engine_start(HttpEngine *engine, Job *job);

/* Do what can be done without waiting; false when that was nothing. */
extern bool pgnet_engine_drive(HttpEngine *engine);

/*
 * Wait for the network, for this process's latch, or timeout_ms (-1: for
 * ever).  Ends the process when the postmaster is gone.
 */
extern void pgnet_engine_wait(HttpEngine *engine, long timeout_ms);

/* Send nothing any more: what was sent may finish, the rest stays unsent. */
extern void pgnet_engine_close(HttpEngine *engine);

/*
 * Remember what is under way now.  Later: is all of that finished that was
 * under way at the last mark?
 */
extern void pgnet_engine_mark(HttpEngine *engine);
extern bool pgnet_engine_mark_passed(const HttpEngine *engine);

/* How many requests are under way that may have arrived. */
extern int	pgnet_engine_sent(const HttpEngine *engine);

/* Move all finished requests, decided, to the end of list; how many. */
extern int	pgnet_engine_take_finished(HttpEngine *engine, dlist_head *list);

/*
 * Move those that were not sent because a resource of this machine is short to
 * list, the last one first; false when there are none.
 */
extern bool pgnet_engine_take_unsent(HttpEngine *engine, dlist_head *list);

#endif							/* PGNET_ENGINE_H */
