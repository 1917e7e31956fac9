/*
 * descriptors.h -- how many file descriptors the network may use.
 *
 * Runs in: workers.
 */
#ifndef PGNET_DESCRIPTORS_H
#define PGNET_DESCRIPTORS_H

#include "postgres.h"

/*
 * Provide descriptors for this many requests in flight, as far as the limits of
 * the process allow.  Returns for how many requests there are enough.  May be
 * called again with another number.
 */
extern int	pgnet_descriptors_for(int requests);

#endif							/* PGNET_DESCRIPTORS_H */
