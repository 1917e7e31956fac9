/*
 * durability.h -- do the tables survive a crash?
 *
 * Runs in: client backends and workers, inside a transaction.
 */
#ifndef PGNET_DURABILITY_H
#define PGNET_DURABILITY_H

#include "postgres.h"

/*
 * Make both tables logged, or both unlogged, with the privileges of the current
 * role.  A table that is so already is not rewritten.  Throws what ALTER TABLE
 * throws, and lock_not_available if the tables stay locked for some seconds.
 */
extern void pgnet_durability_set(bool durable);

/* Is the queue unlogged, so that a crash empties it? */
extern bool pgnet_durability_is_off(void);

#endif							/* PGNET_DURABILITY_H */
