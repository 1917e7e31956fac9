/*
 * witness.h -- was the worker alive when the server went down?
 *
 * Runs in: workers.
 */
#ifndef PGNET_WITNESS_H
#define PGNET_WITNESS_H

#include "postgres.h"

/* Did the worker of this database before us leave a mark?  It is taken away. */
extern bool pgnet_witness_take(void);

/* Leave one when the server goes down around us. */
extern void pgnet_witness_begin(void);

#endif							/* PGNET_WITNESS_H */
