/*
 * configuration.h -- the settings as the engine wants them.
 *
 * Runs in: workers.
 */
#ifndef PGNET_CONFIGURATION_H
#define PGNET_CONFIGURATION_H

#include "postgres.h"

#include "http/engine.h"

/* Give the engine the settings as they are now. */
extern void pgnet_configuration_apply(HttpEngine *engine);

#endif							/* PGNET_CONFIGURATION_H */
