/*
 * alive_mark.h -- a file that says that the worker lived when the server went
 * down.
 *
 * Runs in: workers.
 */
#ifndef PGNET_ALIVE_MARK_H
#define PGNET_ALIVE_MARK_H

#include "postgres.h"

/* Did the worker of this database before us leave one?  It is taken away. */
extern bool pgnet_alive_mark_take(void);

/* Leave one when the server goes down around us. */
extern void pgnet_alive_mark_begin(void);

#endif							/* PGNET_ALIVE_MARK_H */
