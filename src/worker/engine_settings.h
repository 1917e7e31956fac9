/*
 * engine_settings.h -- the settings as the engine wants them.
 *
 * Runs in: workers.
 */
#ifndef PGNET_ENGINE_SETTINGS_H
#define PGNET_ENGINE_SETTINGS_H

#include "postgres.h"

#include "http/engine.h"

/* Give the engine the settings as they are now. */
extern void pgnet_engine_settings_apply(HttpEngine *engine);

#endif							/* PGNET_ENGINE_SETTINGS_H */
