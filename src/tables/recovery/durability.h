/*
 * durability.h -- do the tables survive a crash?
 *
 * Runs in: client backends, inside a transaction.
 */
#ifndef PGNET_DURABILITY_H
#define PGNET_DURABILITY_H

#include "postgres.h"

/*
 * Make both tables logged, or both unlogged, with the rights of the current
 * role.  A table that is so already is left alone.  Throws what ALTER TABLE
 * throws, and then neither is changed.
 */
extern void pgnet_durability_set(bool durable);

/* Does a crash empty the queue? */
extern bool pgnet_durability_is_off(void);

#endif							/* PGNET_DURABILITY_H */
