/*
 * settings.c -- every setting of pg_net, in the order of the alphabet.
 *
 * Runs in: every process.
 *
 * Settings that ALTER ROLE and ALTER DATABASE may set are PGC_SUSET: only the
 * worker's own role and database matter, but an ordinary role has no business
 * with them.  The others belong to the whole server.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/datetime.h"
#include "utils/guc.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"

#include "compat.h"
#include "exchange.h"
#include "policy/networks.h"
#include "settings.h"

/* A hundred years: far from where sums of times overflow. */
#define MAX_TTL_DAYS 36500

/*
 * The variable of an enum has to hold its default from the start: a server
 * with assertions does not load us otherwise.
 */
#define DEFAULT_HTTP_VERSION PGNET_HTTP_1_1
#define DEFAULT_IP_VERSION PGNET_IP_ANY
#define DEFAULT_TLS_MIN_VERSION PGNET_TLS_1_2

/* To store that much takes 100 ms, in which the worker does nothing else. */
#define DEFAULT_MAX_RESPONSE_KB (32 * 1024)

/*
 * Link-local addresses, which are where clouds serve the credentials of the
 * machine, and the addresses outside of these where some do: AWS, Google,
 * Oracle, Linode, Scaleway; Azure, Alibaba, Oracle.
 */
#define DEFAULT_DENIED_NETWORKS \
	"169.254.0.0/16, fe80::/10, " \
	"fd00:ec2::/32, fd20:ce::254, fd00:c1::a9fe:a9fe, fd00:a9fe:a9fe::1, " \
	"fd00:42::42, 168.63.129.16, 100.100.100.200, 192.0.0.192"

int			pgnet_setting_batch_size;
char	   *pgnet_setting_ca_directory;
char	   *pgnet_setting_ca_file;
int			pgnet_setting_callback_timeout;
bool		pgnet_setting_enabled;
int			pgnet_setting_connect_timeout;
char	   *pgnet_setting_database_name;
bool		pgnet_setting_decompress;
int			pgnet_setting_http_version = DEFAULT_HTTP_VERSION;
int			pgnet_setting_ip_version = DEFAULT_IP_VERSION;
bool		pgnet_setting_log_failures;
int			pgnet_setting_log_min_duration;
int			pgnet_setting_max_in_flight;
int			pgnet_setting_max_in_flight_per_host;
int			pgnet_setting_max_in_flight_total;
int			pgnet_setting_max_redirects;
int			pgnet_setting_max_response_size;
int			pgnet_setting_max_stored_size;
int			pgnet_setting_max_waiting;
int			pgnet_setting_max_waiting_size;
char	   *pgnet_setting_no_proxy;
char	   *pgnet_setting_proxy;
bool		pgnet_setting_require_access_rule;
int			pgnet_setting_tls_min_version = DEFAULT_TLS_MIN_VERSION;
char	   *pgnet_setting_user_agent;
char	   *pgnet_setting_username;
int			pgnet_setting_worker_idle_timeout;

static char *denied_networks_text;
static const Networks *denied_networks;

static const struct config_enum_entry http_versions[] = {
	{"1.0", PGNET_HTTP_1_0, false},
	{"1.1", PGNET_HTTP_1_1, false},
	{"2", PGNET_HTTP_2, false},
	{NULL, 0, false}
};

static const struct config_enum_entry ip_versions[] = {
	{"any", PGNET_IP_ANY, false},
	{"4", PGNET_IP_V4, false},
	{"6", PGNET_IP_V6, false},
	{NULL, 0, false}
};

static const struct config_enum_entry tls_versions[] = {
	{"1.0", PGNET_TLS_1_0, false},
	{"1.1", PGNET_TLS_1_1, false},
	{"1.2", PGNET_TLS_1_2, false},
	{"1.3", PGNET_TLS_1_3, false},
	{NULL, 0, false}
};

static char *ttl_text;
static TimeOffset ttl;
static char *failed_ttl_text;
static TimeOffset failed_ttl;

static bool check_worker_bool(bool *value, void **extra, GucSource source);
static bool check_worker_int(int *value, void **extra, GucSource source);
static void say_whose(GucSource source);
static bool check_database_name(char **value, void **extra, GucSource source);
static bool check_denied_networks(char **value, void **extra, GucSource source);
static void assign_denied_networks(const char *value, void *extra);
static bool check_ttl(char **value, void **extra, GucSource source);
static bool parse_interval(const char *text, Interval *interval);
static void assign_ttl(const char *value, void *extra);
static void assign_failed_ttl(const char *value, void *extra);

/* Define them all. */
void
pgnet_settings_init(void)
{
	DefineCustomIntVariable("pg_net.batch_size",
							"Sets the number of rows fetched from the queue at a time.",
							NULL,
							&pgnet_setting_batch_size,
							200, 1, 10000,
							PGC_SUSET, 0, check_worker_int, NULL, NULL);

	DefineCustomStringVariable("pg_net.ca_directory",
							   "Sets the directory of certificate authorities to trust for HTTPS.",
							   "Prepare it with \"openssl rehash\". If empty, only pg_net.ca_file or the system's authorities are trusted.",
							   &pgnet_setting_ca_directory,
							   "",
							   PGC_SIGHUP, 0, NULL, NULL, NULL);

	DefineCustomStringVariable("pg_net.ca_file",
							   "Sets the file of certificate authorities to trust for HTTPS.",
							   "If empty, the system's authorities are trusted. A change applies to new connections.",
							   &pgnet_setting_ca_file,
							   "",
							   PGC_SIGHUP, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("pg_net.callback_timeout",
							"Sets the time allowed for the call of a callback.",
							"After it the call is canceled, and 5 s later its process is ended.",
							&pgnet_setting_callback_timeout,
							10000, 1, INT_MAX / 2,
							PGC_SUSET, GUC_UNIT_MS,
							check_worker_int, NULL, NULL);

	DefineCustomIntVariable("pg_net.connect_timeout",
							"Sets the time allowed to establish a connection.",
							"Zero uses the timeout of the request.",
							&pgnet_setting_connect_timeout,
							0, 0, INT_MAX,
							PGC_SUSET, GUC_UNIT_MS,
							check_worker_int, NULL, NULL);

	DefineCustomStringVariable("pg_net.database_name",
							   "Sets the databases whose workers keep running while idle.",
							   "A comma-separated list. Other databases have a worker only while they need one.",
							   &pgnet_setting_database_name,
							   "postgres",
							   PGC_SIGHUP, GUC_LIST_INPUT,
							   check_database_name, NULL, NULL);

	DefineCustomBoolVariable("pg_net.decompress",
							 "Requests compressed responses and decompresses them.",
							 NULL,
							 &pgnet_setting_decompress,
							 false,
							 PGC_SUSET, 0, check_worker_bool, NULL, NULL);

	DefineCustomStringVariable("pg_net.denied_networks",
							   "Sets the networks that pg_net never connects to.",
							   "A list of networks and addresses, such as '10.0.0.0/8, ::1'. Also applies to redirects and to open connections.",
							   &denied_networks_text,
							   DEFAULT_DENIED_NETWORKS,
							   PGC_SUSET, GUC_LIST_INPUT,
							   check_denied_networks, assign_denied_networks,
							   NULL);

	DefineCustomBoolVariable("pg_net.enabled",
							 "Sends requests.",
							 "If off, calls queue their requests, and nothing is sent.",
							 &pgnet_setting_enabled,
							 true,
							 PGC_SIGHUP, 0, NULL, NULL, NULL);

	DefineCustomStringVariable("pg_net.failed_ttl",
							   "Sets how long requests are kept that were given up.",
							   "An interval, such as '7 days'. Until then net.resend() sends them again.",
							   &failed_ttl_text,
							   "7 days",
							   PGC_SUSET, 0,
							   check_ttl, assign_failed_ttl, NULL);

	DefineCustomEnumVariable("pg_net.http_version",
							 "Sets the highest HTTP version to use.",
							 "HTTP/2 is used only where TLS negotiates it.",
							 &pgnet_setting_http_version,
							 DEFAULT_HTTP_VERSION, http_versions,
							 PGC_SUSET, 0, check_worker_int, NULL, NULL);

	DefineCustomEnumVariable("pg_net.ip_version",
							 "Sets the IP version of the addresses to connect to.",
							 NULL,
							 &pgnet_setting_ip_version,
							 DEFAULT_IP_VERSION, ip_versions,
							 PGC_SIGHUP, 0, NULL, NULL, NULL);

	DefineCustomBoolVariable("pg_net.log_failures",
							 "Logs each attempt that failed.",
							 "Without path, query and headers.",
							 &pgnet_setting_log_failures,
							 false,
							 PGC_SIGHUP, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("pg_net.log_min_duration",
							"Sets the minimum duration of attempts that are logged.",
							"Zero logs all attempts, -1 none. Without path, query and headers.",
							&pgnet_setting_log_min_duration,
							-1, -1, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);

	DefineCustomIntVariable("pg_net.max_in_flight",
							"Sets the maximum number of requests in flight per database.",
							"Further requests wait in the queue; their timeouts do not run while they wait.",
							&pgnet_setting_max_in_flight,
							2000, 1, 100000,
							PGC_SUSET, 0, check_worker_int, NULL, NULL);

	DefineCustomIntVariable("pg_net.max_in_flight_per_host",
							"Sets the maximum number of requests in flight to one host and port.",
							"Further requests wait in the queue; their timeouts do not run while they wait.",
							&pgnet_setting_max_in_flight_per_host,
							100, 1, 100000,
							PGC_SUSET, 0, check_worker_int, NULL, NULL);

	DefineCustomIntVariable("pg_net.max_in_flight_total",
							"Sets the maximum number of requests in flight in all databases together.",
							"Further requests wait in the queue; their timeouts do not run while they wait.",
							&pgnet_setting_max_in_flight_total,
							10000, 1, 1000000,
							PGC_SIGHUP, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("pg_net.max_redirects",
							"Sets the maximum number of redirects a request follows.",
							"With zero, a redirect is returned as the response.",
							&pgnet_setting_max_redirects,
							30, 0, 1000,
							PGC_SUSET, 0, check_worker_int, NULL, NULL);

	DefineCustomIntVariable("pg_net.max_response_size",
							"Sets the maximum size of a response body.",
							"A request can lower this limit but not raise it.",
							&pgnet_setting_max_response_size,
							DEFAULT_MAX_RESPONSE_KB,
							1, PGNET_MAX_RESPONSE_BYTES / 1024,
							PGC_SUSET, GUC_UNIT_KB,
							check_worker_int, NULL, NULL);

	DefineCustomIntVariable("pg_net.max_stored_size_per_role",
							"Sets the maximum total size of stored responses per role.",
							"Zero disables the limit. Further responses are stored without headers and body.",
							&pgnet_setting_max_stored_size,
							16384, 0, INT_MAX,
							PGC_SUSET, GUC_UNIT_MB,
							check_worker_int, NULL, NULL);

	DefineCustomIntVariable("pg_net.max_waiting_per_role",
							"Sets the maximum number of queued requests per role.",
							"Zero disables the limit. The value in the calling session applies.",
							&pgnet_setting_max_waiting,
							5000000, 0, INT_MAX,
							PGC_SUSET, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("pg_net.max_waiting_size_per_role",
							"Sets the maximum total size of queued requests per role.",
							"Zero disables the limit. The value in the calling session applies.",
							&pgnet_setting_max_waiting_size,
							4096, 0, INT_MAX,
							PGC_SUSET, GUC_UNIT_MB, NULL, NULL, NULL);

	DefineCustomStringVariable("pg_net.no_proxy",
							   "Sets the hosts to connect to without the proxy.",
							   "A comma-separated list of names; each includes its subdomains. '*' matches every host.",
							   &pgnet_setting_no_proxy,
							   "",
							   PGC_SIGHUP, 0, NULL, NULL, NULL);

	DefineCustomStringVariable("pg_net.proxy",
							   "Sets the proxy to send requests through.",
							   "A URL, optionally with a user name and password. If empty, no proxy is used.",
							   &pgnet_setting_proxy,
							   "",
							   PGC_SIGHUP, GUC_SUPERUSER_ONLY,
							   NULL, NULL, NULL);

	DefineCustomBoolVariable("pg_net.require_access_rule",
							 "Requires every request to be allowed by a rule in net.access_rule, even if there are no rules.",
							 "Checked with the value in the calling session, and again with that of the worker.",
							 &pgnet_setting_require_access_rule,
							 false,
							 PGC_SUSET, 0, NULL, NULL, NULL);

	DefineCustomEnumVariable("pg_net.tls_min_version",
							 "Sets the lowest TLS version to use.",
							 NULL,
							 &pgnet_setting_tls_min_version,
							 DEFAULT_TLS_MIN_VERSION, tls_versions,
							 PGC_SIGHUP, 0, NULL, NULL, NULL);

	DefineCustomStringVariable("pg_net.ttl",
							   "Sets how long responses are kept.",
							   "An interval, such as '6 hours'.",
							   &ttl_text,
							   "6 hours",
							   PGC_SUSET, 0, check_ttl, assign_ttl, NULL);

	DefineCustomStringVariable("pg_net.user_agent",
							   "Sets the User-Agent header of requests that have none.",
							   "If empty, no User-Agent header is sent.",
							   &pgnet_setting_user_agent,
							   "pg_net/" PGNET_VERSION,
							   PGC_SIGHUP, 0, NULL, NULL, NULL);

	DefineCustomStringVariable("pg_net.username",
							   "Sets the role that the workers connect as.",
							   "If empty, the bootstrap superuser. Takes effect after net.worker_restart().",
							   &pgnet_setting_username,
							   NULL,
							   PGC_SIGHUP, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("pg_net.worker_idle_timeout",
							"Sets how long a worker may be idle before it exits.",
							"-1 disables the timeout. Workers of databases in pg_net.database_name never exit because they are idle.",
							&pgnet_setting_worker_idle_timeout,
							60 * 1000, -1, INT_MAX,
							PGC_SUSET, GUC_UNIT_MS,
							check_worker_int, NULL, NULL);

	MarkGUCPrefixReserved("pg_net");
}

/* Where not to connect to. */
const Networks *
pgnet_setting_denied_networks(void)
{
	return denied_networks;
}

/* How long responses are kept. */
TimeOffset
pgnet_setting_ttl(void)
{
	return ttl;
}

/* How long requests are kept that were given up. */
TimeOffset
pgnet_setting_failed_ttl(void)
{
	return failed_ttl;
}

/* The databases that pg_net.database_name names. */
List *
pgnet_setting_database_names(void)
{
	List	   *names;

	/* checked already: it is a list */
	(void) SplitGUCList(pstrdup(pgnet_setting_database_name), ',', &names);
	return names;
}

/* A setting of the worker that is a switch. */
static bool
check_worker_bool(bool *value, void **extra, GucSource source)
{
	(void) value;
	(void) extra;
	say_whose(source);
	return true;
}

/* A setting of the worker that is a number, or one of some words. */
static bool
check_worker_int(int *value, void **extra, GucSource source)
{
	(void) value;
	(void) extra;
	say_whose(source);
	return true;
}

/* SET changes a setting for its session, which does not read this one. */
static void
say_whose(GucSource source)
{
	if (source == PGC_S_SESSION && MyBackendType == B_BACKEND)
		ereport(NOTICE,
				errmsg("SET has no effect: only the workers of pg_net read this setting"),
				errhint("Use ALTER SYSTEM and pg_reload_conf(), or ALTER DATABASE or ALTER ROLE and net.worker_restart()."));
}

/* A list of names, of one at least; a name with a comma has to be quoted. */
static bool
check_database_name(char **value, void **extra, GucSource source)
{
	char	   *copy = pstrdup(*value);
	List	   *names;
	bool		is_list = SplitGUCList(copy, ',', &names);

	(void) extra;
	(void) source;
	if (!is_list)
		GUC_check_errdetail("List syntax is invalid.");
	else if (names == NIL)
		GUC_check_errdetail("A database name must not be empty.");
	is_list = is_list && names != NIL;
	list_free(names);
	pfree(copy);
	return is_list;
}

/* denied_networks is a list of networks. */
static bool
check_denied_networks(char **value, void **extra, GucSource source)
{
	char	   *problem = NULL;
	Networks   *networks = pgnet_networks_parse(*value, &problem);
	size_t		size;

	if (networks == NULL)
	{
		GUC_check_errdetail("%s", problem);
		GUC_check_errhint("Specify a list such as \"10.0.0.0/8, 192.0.2.1, fc00::/7\".");
		return false;
	}
	say_whose(source);
	size = pgnet_networks_size(networks);
	*extra = PGNET_GUC_MALLOC(size);
	if (*extra != NULL)
		memcpy(*extra, networks, size);
	pfree(networks);
	return *extra != NULL;
}

/* Take over what check_denied_networks() found. */
static void
assign_denied_networks(const char *value, void *extra)
{
	(void) value;
	denied_networks = extra;
}

/* ttl and failed_ttl are intervals, not negative. */
static bool
check_ttl(char **value, void **extra, GucSource source)
{
	Interval	interval;
	TimeOffset *microseconds;
	double		days;

	if (!parse_interval(*value, &interval))
	{
		GUC_check_errdetail("\"%s\" is not a valid interval.", *value);
		GUC_check_errhint("Specify an interval such as \"6 hours\" or \"30 minutes\".");
		return false;
	}
	days = interval.month * (double) DAYS_PER_MONTH + interval.day;
	if (days * USECS_PER_DAY + interval.time < 0 || days > MAX_TTL_DAYS)
	{
		GUC_check_errdetail("Nothing can be kept for \"%s\".", *value);
		return false;
	}

	microseconds = PGNET_GUC_MALLOC(sizeof(TimeOffset));
	if (microseconds == NULL)
		return false;
	say_whose(source);
	*microseconds = (TimeOffset) (days * USECS_PER_DAY) + interval.time;
	*extra = microseconds;
	return true;
}

/* Without throwing; the steps are those of interval_in() (timestamp.c). */
static bool
parse_interval(const char *text, Interval *interval)
{
	struct pg_itm_in parts;
	char		buffer[256];
	char	   *fields[MAXDATEFIELDS];
	int			types[MAXDATEFIELDS];
	int			nfields;
	int			type;
	int			error;

	memset(&parts, 0, sizeof(parts));
	error = ParseDateTime(text, buffer, sizeof(buffer), fields, types,
						  MAXDATEFIELDS, &nfields);
	if (error == 0)
		error = DecodeInterval(fields, types, nfields, INTERVAL_FULL_RANGE,
							   &type, &parts);
	if (error == DTERR_BAD_FORMAT)
	{
		char	   *copy = pstrdup(text);

		error = DecodeISO8601Interval(copy, &type, &parts);
		pfree(copy);
	}
	return error == 0 && type == DTK_DELTA &&
		itmin2interval(&parts, interval) == 0;
}

/* Take over what check_ttl() found. */
static void
assign_ttl(const char *value, void *extra)
{
	(void) value;
	ttl = *(TimeOffset *) extra;
}

/* The same for failed_ttl. */
static void
assign_failed_ttl(const char *value, void *extra)
{
	(void) value;
	failed_ttl = *(TimeOffset *) extra;
}
