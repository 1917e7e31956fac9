/*
 * configuration.c -- the settings as the engine wants them.
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "settings.h"
#include "worker/configuration.h"

/*
 * Give the engine all settings.  Their strings are copied, since a reload
 * frees those of settings.c before we come to look.
 */
void
pgnet_configuration_apply(HttpEngine *engine)
{
	static MemoryContext strings = NULL;
	MemoryContext before_strings = strings;
	HttpDefaults defaults = {
		.options = {
			.connect_timeout_ms = pgnet_setting_connect_timeout,
			.max_redirects = pgnet_setting_max_redirects,
			.max_response_bytes =
				(int64) pgnet_setting_max_response_size * 1024,
			.decompress = pgnet_setting_decompress,
			.http_version = pgnet_setting_http_version,
		}};

	strings = AllocSetContextCreate(TopMemoryContext, "pg_net configuration",
									ALLOCSET_SMALL_SIZES);
	defaults.ca_file = MemoryContextStrdup(strings, pgnet_setting_ca_file);
	pgnet_engine_set_defaults(engine, &defaults);
	pgnet_engine_set_denied_networks(engine, pgnet_setting_denied_networks());
	if (before_strings != NULL)
		MemoryContextDelete(before_strings);
}
