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

/* Set the latch of the launcher, if there is one.  Must not throw. */
extern void pgnet_launcher_wake(void);

/* The same, and have it read pg_database.  Must not throw. */
extern void pgnet_launcher_note_databases_changed(void);

extern bool pgnet_launcher_is_up(void);

/*
 * Do databases wait for a process because max_worker_processes is used up?
 * The launcher sets how many do.
 */
extern bool pgnet_launcher_is_short(void);
extern void pgnet_launcher_set_waiting(int databases);

/* For the launcher: be the launcher until the process exits. */
extern void pgnet_launcher_claim(void);

/* For the launcher: is pg_database to be read again? */
extern bool pgnet_launcher_take_databases_changed(void);

/* For the launcher: was every database probed since the server started? */
extern bool pgnet_launcher_has_probed_all(void);
extern void pgnet_launcher_set_probed_all(void);

#endif							/* PGNET_LAUNCHER_STATE_H */
