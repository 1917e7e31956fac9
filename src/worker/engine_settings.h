/*
 * engine_settings.h -- handing the settings to the engine and the lanes.
 *
 * Runs in: workers.
 */
#ifndef PGNET_ENGINE_SETTINGS_H
#define PGNET_ENGINE_SETTINGS_H

#include "postgres.h"

#include "http/engine.h"
#include "worker/lanes.h"

/* Make an engine with room for what the settings allow; FATAL if that fails. */
extern HttpEngine *pgnet_engine_settings_create(Account *account);

/*
 * Give the engine and the lanes copies of the current settings.  Logs it if
 * nothing is sent because of pg_net.enabled, or if it is again.
 */
extern void pgnet_engine_settings_apply(HttpEngine *engine, Lanes *lanes);

#endif							/* PGNET_ENGINE_SETTINGS_H */
