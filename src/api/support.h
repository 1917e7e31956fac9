/*
 * support.h -- what the SQL functions have in common.
 *
 * Runs in: client backends.
 */
#ifndef PGNET_API_SUPPORT_H
#define PGNET_API_SUPPORT_H

#include "postgres.h"

#include "shared/slots.h"

/* Throws object_not_in_prerequisite_state unless the library is preloaded. */
extern void pgnet_require_preloaded(void);

/*
 * The slot of this database.  Throws as above, or configuration_limit_exceeded
 * when there are more databases than slots.
 */
extern WorkerSlot *pgnet_require_served(void);

/* Throws as above when the worker is not at work, and should be. */
extern void pgnet_require_worker(void);

#endif							/* PGNET_API_SUPPORT_H */
