/*
 * launcher.h -- the process that starts the others.
 */
#ifndef PGNET_LAUNCHER_H
#define PGNET_LAUNCHER_H

#include "postgres.h"

/* Register the background worker; called while the server starts. */
extern void pgnet_launcher_init(void);

/* Entry point of the process, which the postmaster finds by its name. */
extern PGDLLEXPORT void pgnet_launcher_main(Datum unused);

#endif							/* PGNET_LAUNCHER_H */
