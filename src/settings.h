/*
 * settings.h -- every setting of pg_net.
 *
 * Runs in: every process.  docs/settings.md says what they mean to users.
 */
#ifndef PGNET_SETTINGS_H
#define PGNET_SETTINGS_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"

#include "policy/networks.h"

extern int	pgnet_setting_batch_size;	/* rows a read of the queue takes */
extern int	pgnet_setting_callback_timeout; /* ms */
extern bool pgnet_setting_enabled;
extern char *pgnet_setting_ca_file; /* "" = the system's authorities */
extern char *pgnet_setting_ca_directory;	/* likewise */
extern int	pgnet_setting_connect_timeout;	/* ms; 0 = the whole timeout */
extern char *pgnet_setting_database_name;	/* a list of names */
extern bool pgnet_setting_decompress;
extern int	pgnet_setting_http_version; /* a HttpVersion */
extern int	pgnet_setting_ip_version;	/* an IpVersion */
extern bool pgnet_setting_log_failures;
extern int	pgnet_setting_log_min_duration; /* ms; -1 = none */
extern int	pgnet_setting_max_in_flight;	/* requests, of one worker */
extern int	pgnet_setting_max_in_flight_per_host;
extern int	pgnet_setting_max_in_flight_total;	/* of all workers */
extern int	pgnet_setting_max_redirects;
extern int	pgnet_setting_max_response_size;	/* kB */
extern int	pgnet_setting_max_waiting;	/* requests of a role; 0: any number */
extern int	pgnet_setting_max_stored_size;	/* megabytes of a role; 0: any */
extern int	pgnet_setting_max_waiting_size; /* megabytes of them; 0: any */
extern char *pgnet_setting_no_proxy;
extern char *pgnet_setting_proxy;
extern bool pgnet_setting_require_access_rule;	/* even without rules */
extern int	pgnet_setting_tls_min_version;	/* a TlsVersion */
extern char *pgnet_setting_user_agent;
extern char *pgnet_setting_username;	/* NULL or "" = bootstrap superuser */
extern int	pgnet_setting_worker_idle_timeout;	/* ms; -1 = for ever */

/* The names in pg_net.database_name, in the current memory context */
extern List *pgnet_setting_database_names(void);

/* pg_net.denied_networks; stays until the setting changes */
extern const Networks *pgnet_setting_denied_networks(void);

/* pg_net.ttl and failed_ttl in microseconds; months count as 30 days */
extern TimeOffset pgnet_setting_ttl(void);
extern TimeOffset pgnet_setting_failed_ttl(void);

extern void pgnet_settings_init(void);

#endif							/* PGNET_SETTINGS_H */
