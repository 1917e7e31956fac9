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
 * Link-local addresses, which are where clouds serve the credentials of the
 * machine, and the addresses outside of these where some do: AWS, Google,
 * Oracle, Linode, Scaleway; Azure, Alibaba, Oracle.
 */
#define DEFAULT_DENIED_NETWORKS \
	"169.254.0.0/16, fe80::/10, " \
	"fd00:ec2::/32, fd20:ce::254, fd00:c1::a9fe:a9fe, fd00:a9fe:a9fe::1, " \
	"fd00:42::42, 168.63.129.16, 100.100.100.200, 192.0.0.192"

int			pgnet_setting_batch_size;
char	   *pgnet_setting_ca_file;
int			pgnet_setting_connect_timeout;
char	   *pgnet_setting_database_name;
bool		pgnet_setting_decompress;
int			pgnet_setting_http_version;
int			pgnet_setting_max_in_flight;
int			pgnet_setting_max_in_flight_per_host;
int			pgnet_setting_max_in_flight_total;
int			pgnet_setting_max_redirects;
int			pgnet_setting_max_response_size;
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

static char *ttl_text;
static TimeOffset ttl;

static bool check_database_name(char **value, void **extra, GucSource source);
static bool check_denied_networks(char **value, void **extra, GucSource source);
static void assign_denied_networks(const char *value, void *extra);
static bool check_ttl(char **value, void **extra, GucSource source);
static void assign_ttl(const char *value, void *extra);
static bool parse_interval(const char *text, Interval *interval);

/* Define them all. */
void
pgnet_settings_init(void)
{
	DefineCustomIntVariable("pg_net.batch_size",
							"Sets the number of rows one read of the queue takes.",
							NULL,
							&pgnet_setting_batch_size,
							200, 1, 10000,
							PGC_SUSET, 0, NULL, NULL, NULL);

	DefineCustomStringVariable("pg_net.ca_file",
							   "Sets the file of certificate authorities to trust for HTTPS.",
							   "Empty means those of the system. New connections use it after a reload.",
							   &pgnet_setting_ca_file,
							   "",
							   PGC_SIGHUP, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("pg_net.connect_timeout",
							"Sets how long a request may take to have a connection.",
							"Zero means as long as the request may take in all.",
							&pgnet_setting_connect_timeout,
							0, 0, INT_MAX,
							PGC_SUSET, GUC_UNIT_MS, NULL, NULL, NULL);

	DefineCustomStringVariable("pg_net.database_name",
							   "Sets the databases whose worker stays when it has nothing to do.",
							   "A comma-separated list. The others have a worker while they need one.",
							   &pgnet_setting_database_name,
							   "postgres",
							   PGC_SIGHUP, GUC_LIST_INPUT,
							   check_database_name, NULL, NULL);

	DefineCustomBoolVariable("pg_net.decompress",
							 "Asks for compressed responses and decompresses them.",
							 NULL,
							 &pgnet_setting_decompress,
							 false,
							 PGC_SUSET, 0, NULL, NULL, NULL);

	DefineCustomStringVariable("pg_net.denied_networks",
							   "Sets the networks that are never connected to.",
							   "A list of networks and addresses, such as '10.0.0.0/8, ::1'. Applies to redirects and to connections that are open, too.",
							   &denied_networks_text,
							   DEFAULT_DENIED_NETWORKS,
							   PGC_SUSET, GUC_LIST_INPUT,
							   check_denied_networks, assign_denied_networks,
							   NULL);
	DefineCustomEnumVariable("pg_net.http_version",
							 "Sets the newest version of HTTP to speak.",
							 "HTTP/2 is spoken where TLS agrees on it.",
							 &pgnet_setting_http_version,
							 PGNET_HTTP_2, http_versions,
							 PGC_SUSET, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("pg_net.max_in_flight",
							"Sets how many requests of a database may be in flight at a time.",
							"Others wait in the queue; their timeout does not run.",
							&pgnet_setting_max_in_flight,
							2000, 1, 100000,
							PGC_SUSET, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("pg_net.max_in_flight_per_host",
							"Sets how many requests may be in flight to one host and port at a time.",
							"Others wait in the queue; their timeout does not run.",
							&pgnet_setting_max_in_flight_per_host,
							100, 1, 100000,
							PGC_SUSET, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("pg_net.max_in_flight_total",
							"Sets how many requests of all databases together may be in flight at a time.",
							"Others wait in the queue; their timeout does not run.",
							&pgnet_setting_max_in_flight_total,
							10000, 1, 1000000,
							PGC_SIGHUP, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("pg_net.max_redirects",
							"Sets how many redirects a request follows.",
							"Zero means that a redirect is the answer.",
							&pgnet_setting_max_redirects,
							30, 0, 1000,
							PGC_SUSET, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("pg_net.max_response_size",
							"Sets how large the body of a response may be.",
							"Requests can ask for less, not for more.",
							&pgnet_setting_max_response_size,
							PGNET_MAX_RESPONSE_BYTES / 1024,
							1, PGNET_MAX_RESPONSE_BYTES / 1024,
							PGC_SUSET, GUC_UNIT_KB, NULL, NULL, NULL);

	DefineCustomStringVariable("pg_net.ttl",
							   "Sets how long responses are kept.",
							   "An interval, such as '6 hours'.",
							   &ttl_text,
							   "6 hours",
							   PGC_SUSET, 0, check_ttl, assign_ttl, NULL);

	DefineCustomStringVariable("pg_net.username",
							   "Sets the role the workers connect as.",
							   "Empty means the bootstrap superuser. Takes effect after net.worker_restart().",
							   &pgnet_setting_username,
							   NULL,
							   PGC_SIGHUP, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("pg_net.worker_idle_timeout",
							"Sets how long a worker stays that has nothing to do.",
							"-1 means for ever, as in the databases that pg_net.database_name names.",
							&pgnet_setting_worker_idle_timeout,
							60 * 1000, -1, INT_MAX,
							PGC_SUSET, GUC_UNIT_MS, NULL, NULL, NULL);

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

/* The databases that pg_net.database_name names. */
List *
pgnet_setting_database_names(void)
{
	List	   *names;

	/* checked already: it is a list */
	(void) SplitGUCList(pstrdup(pgnet_setting_database_name), ',', &names);
	return names;
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

	(void) source;
	if (networks == NULL)
	{
		GUC_check_errdetail("%s", problem);
		GUC_check_errhint("Write for example \"10.0.0.0/8, 192.0.2.1, fc00::/7\".");
		return false;
	}
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

/* ttl is an interval, not negative. */
static bool
check_ttl(char **value, void **extra, GucSource source)
{
	Interval	interval;
	TimeOffset *microseconds;
	double		days;

	(void) source;
	if (!parse_interval(*value, &interval))
	{
		GUC_check_errdetail("\"%s\" is not an interval.", *value);
		GUC_check_errhint("Write for example \"6 hours\" or \"30 minutes\".");
		return false;
	}
	days = interval.month * (double) DAYS_PER_MONTH + interval.day;
	if (days * USECS_PER_DAY + interval.time < 0 || days > MAX_TTL_DAYS)
	{
		GUC_check_errdetail("Responses cannot be kept for \"%s\".", *value);
		return false;
	}

	microseconds = PGNET_GUC_MALLOC(sizeof(TimeOffset));
	if (microseconds == NULL)
		return false;
	*microseconds = (TimeOffset) (days * USECS_PER_DAY) + interval.time;
	*extra = microseconds;
	return true;
}

/* Take over what check_ttl() found. */
static void
assign_ttl(const char *value, void *extra)
{
	(void) value;
	ttl = *(TimeOffset *) extra;
}

/*
 * Parse an interval without throwing, since the postmaster checks settings
 * outside of any transaction; the steps are those of interval_in()
 * (utils/adt/timestamp.c).
 */
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
