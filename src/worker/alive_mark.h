/*
 * alive_mark.h -- a file that says that the worker lived when the server went
 * down.
 *
 * Runs in: workers.
 */
#ifndef PGNET_ALIVE_MARK_H
#define PGNET_ALIVE_MARK_H

#include "postgres.h"

/* Did the last worker of this database leave one?  Removes it. */
extern bool pgnet_alive_mark_take(void);

/* From now on, leave one if the server goes down; once per process. */
extern void pgnet_alive_mark_begin(void);

#endif							/* PGNET_ALIVE_MARK_H */
