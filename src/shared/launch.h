/*
 * launch.h -- calling the launcher.
 *
 * Runs in: every process.
 */
#ifndef PGNET_LAUNCH_H
#define PGNET_LAUNCH_H

#include "postgres.h"

/* Have the launcher look at the slots.  Must not throw. */
extern void pgnet_launch_call(void);

/* Databases were made, dropped or changed: have it look at them, too. */
extern void pgnet_launch_call_databases(void);

/* Is there a launcher? */
extern bool pgnet_launch_is_up(void);

/* Do databases wait for a place, since max_worker_processes is used up? */
extern bool pgnet_launch_is_short(void);
extern void pgnet_launch_set_unplaced(int databases);

/* The launcher's side: be the one until the process exits. */
extern void pgnet_launch_claim(void);
extern bool pgnet_launch_take_databases_changed(void);

/* Was every database looked at since the server started? */
extern bool pgnet_launch_has_looked_around(void);
extern void pgnet_launch_set_looked_around(void);

#endif							/* PGNET_LAUNCH_H */
