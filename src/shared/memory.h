/*
 * memory.h -- the shared memory of all modules.
 *
 * Runs in: the postmaster, while the server starts.  Each module has a part of
 * its own: it says how many bytes, and initializes them.
 */
#ifndef PGNET_MEMORY_H
#define PGNET_MEMORY_H

/* Set the hooks of PostgreSQL that request and initialize it. */
extern void pgnet_memory_init(void);

#endif							/* PGNET_MEMORY_H */
