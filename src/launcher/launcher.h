/*
 * launcher.h -- the process that starts the others.
 */
#ifndef PGNET_LAUNCHER_H
#define PGNET_LAUNCHER_H

#include "postgres.h"

/* Register the launcher; runs while the server starts. */
extern void pgnet_launcher_init(void);

/* Entry point of the process, found by name. */
extern PGDLLEXPORT void pgnet_launcher_main(Datum unused);

#endif							/* PGNET_LAUNCHER_H */
