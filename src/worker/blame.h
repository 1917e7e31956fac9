/*
 * blame.h -- requests that were in flight when the worker died.
 *
 * Runs in: workers.  The more deaths, the fewer others may be in flight with
 * it: so the next death blames less of the innocent.
 */
#ifndef PGNET_BLAME_H
#define PGNET_BLAME_H

#include "postgres.h"

#include "worker/lanes.h"

/* A request with so many deaths is to be given up. */
#define PGNET_BLAME_LAST_DEATH 3

typedef struct Blame Blame;

extern Blame *pgnet_blame_create(MemoryContext parent, Lanes *lanes);
extern void pgnet_blame_clear(Blame *blame);

/* Blame a request for deaths, or no longer. */
extern void pgnet_blame_add(Blame *blame, int64 id, int deaths, int beside);
extern void pgnet_blame_forget(Blame *blame, int64 id);

/*
 * How many deaths a request has; how many came that did not count; and how many
 * of those the one admitted has that has most.
 */
extern int	pgnet_blame_deaths(const Blame *blame, int64 id);
extern int	pgnet_blame_beside_of(const Blame *blame, int64 id);
extern int	pgnet_blame_beside(const Blame *blame);

/* Take over a request with deaths, but not the last, until its turn comes. */
extern void pgnet_blame_defer(Blame *blame, Job *job);

/* Hand to their lanes those whose turn it is; are there any? */
extern void pgnet_blame_admit(Blame *blame);
extern bool pgnet_blame_can_admit(const Blame *blame);

/* One that was admitted and is not known any more: it is forgotten. */
extern bool pgnet_blame_take_gone(Blame *blame, int64 *id);

#endif							/* PGNET_BLAME_H */
