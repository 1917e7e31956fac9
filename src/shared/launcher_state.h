/*
 * launcher_state.h -- what processes know of the launcher.
 *
 * Runs in: every process.
 */
#ifndef PGNET_LAUNCHER_STATE_H
#define PGNET_LAUNCHER_STATE_H

#include "postgres.h"

/* For memory.c. */
extern Size pgnet_launcher_memory_size(void);
extern void pgnet_launcher_memory_init(void *memory, int lock_tranche);

/* Have the launcher look at what the databases need.  Must not throw. */
extern void pgnet_launcher_wake(void);

/* Databases were made, dropped or changed: have it look at them, too. */
extern void pgnet_launcher_note_databases_changed(void);

/* Is there a launcher? */
extern bool pgnet_launcher_is_up(void);

/*
 * Do databases wait for a process, since max_worker_processes is used up?
 * The launcher says how many do.
 */
extern bool pgnet_launcher_is_short(void);
extern void pgnet_launcher_set_waiting(int databases);

/* The launcher's side: be the one until the process exits. */
extern void pgnet_launcher_claim(void);

/* Were databases changed since the last call? */
extern bool pgnet_launcher_take_databases_changed(void);

/* Was every database probed since the server started? */
extern bool pgnet_launcher_has_probed_all(void);
extern void pgnet_launcher_set_probed_all(void);

#endif							/* PGNET_LAUNCHER_STATE_H */
