/*
 * engine_settings.h -- handing the settings to the engine.
 *
 * Runs in: workers.
 */
#ifndef PGNET_ENGINE_SETTINGS_H
#define PGNET_ENGINE_SETTINGS_H

#include "postgres.h"

#include "http/engine.h"

/* Give the engine copies of the current settings. */
extern void pgnet_engine_settings_apply(HttpEngine *engine);

/* Log that nothing is sent because of pg_net.enabled, or that it is again. */
extern void pgnet_engine_settings_say_disabled(void);

#endif							/* PGNET_ENGINE_SETTINGS_H */
