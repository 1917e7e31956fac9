/*
 * engine_settings.c -- handing the settings to the engine and the lanes.
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "settings.h"
#include "worker/descriptors.h"
#include "worker/engine_settings.h"

static void set_defaults(HttpEngine *engine);
static HttpDefaults read_settings(void);
static void say_disabled(void);

HttpEngine *
pgnet_engine_settings_create(Account *account)
{
	int			max_in_flight =
		pgnet_descriptors_for(pgnet_setting_max_in_flight);
	const char *error = NULL;
	HttpEngine *engine = pgnet_engine_create(TopMemoryContext, account,
											 max_in_flight, &error);

	if (engine == NULL)
		ereport(FATAL,
				errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
				errmsg("pg_net worker could not start: %s", error));
	return engine;
}

void
pgnet_engine_settings_apply(HttpEngine *engine, Lanes *lanes)
{
	LaneLimits	limits = {
		.in_flight = pgnet_descriptors_for(pgnet_setting_max_in_flight),
		.in_flight_per_lane = pgnet_setting_max_in_flight_per_host,
	};

	set_defaults(engine);
	pgnet_engine_set_max_in_flight(engine, limits.in_flight);
	pgnet_lanes_set_limits(lanes, limits);
	say_disabled();
}

/*
 * Strings are copied, because a reload frees those of settings.c.  The copies
 * before are deleted when the engine has the new ones.
 */
static void
set_defaults(HttpEngine *engine)
{
	static MemoryContext current = NULL;
	MemoryContext old = current;
	MemoryContext before;
	HttpDefaults defaults;

	current = AllocSetContextCreate(TopMemoryContext, "pg_net configuration",
									ALLOCSET_SMALL_SIZES);
	before = MemoryContextSwitchTo(current);
	defaults = read_settings();
	MemoryContextSwitchTo(before);
	pgnet_engine_set_defaults(engine, &defaults);
	pgnet_engine_set_denied_networks(engine, pgnet_setting_denied_networks());
	if (old != NULL)
		MemoryContextDelete(old);
}

/* Allocates in the current memory context. */
static HttpDefaults
read_settings(void)
{
	HttpOptions options = {
		.connect_timeout_ms = pgnet_setting_connect_timeout,
		.max_redirects = pgnet_setting_max_redirects,
		.max_response_bytes = (int64) pgnet_setting_max_response_size * 1024,
		.decompress = pgnet_setting_decompress,
		.http_version = pgnet_setting_http_version,
	};

	return (HttpDefaults) {
		.options = options,
		.ca_file = pstrdup(pgnet_setting_ca_file),
		.ca_directory = pstrdup(pgnet_setting_ca_directory),
		.tls_min_version = pgnet_setting_tls_min_version,
		.user_agent = pstrdup(pgnet_setting_user_agent),
		.ip_version = pgnet_setting_ip_version,
		.proxy = pstrdup(pgnet_setting_proxy),
		.no_proxy = pstrdup(pgnet_setting_no_proxy)
	};
}

/* Once, and once more when it is over. */
static void
say_disabled(void)
{
	static bool said_off = false;

	if (pgnet_setting_enabled == !said_off)
		return;
	said_off = !pgnet_setting_enabled;
	if (said_off)
		ereport(LOG,
				errmsg("pg_net sends nothing: \"pg_net.enabled\" is off"),
				errdetail("Requests are queued, and sent when it is on again."));
	else
		ereport(LOG, errmsg("pg_net sends requests again"));
}
