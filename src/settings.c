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

#include "compat.h"
#include "settings.h"

/* A hundred years: far from where sums of times overflow. */
#define MAX_TTL_DAYS 36500

int			pgnet_setting_batch_size;
char	   *pgnet_setting_ca_file;
char	   *pgnet_setting_database_name;
int			pgnet_setting_max_in_flight;
int			pgnet_setting_max_in_flight_per_host;
char	   *pgnet_setting_username;

static char *ttl_text;
static TimeOffset ttl;

static bool check_database_name(char **value, void **extra, GucSource source);
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

	DefineCustomStringVariable("pg_net.database_name",
							   "Sets the database whose requests are sent.",
							   "Takes effect after net.worker_restart().",
							   &pgnet_setting_database_name,
							   "postgres",
							   PGC_SIGHUP, 0,
							   check_database_name, NULL, NULL);

	DefineCustomIntVariable("pg_net.max_in_flight",
							"Sets how many requests may be in flight at a time.",
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

	DefineCustomStringVariable("pg_net.ttl",
							   "Sets how long responses are kept.",
							   "An interval, such as '6 hours'.",
							   &ttl_text,
							   "6 hours",
							   PGC_SUSET, 0, check_ttl, assign_ttl, NULL);

	DefineCustomStringVariable("pg_net.username",
							   "Sets the role the worker connects as.",
							   "Empty means the bootstrap superuser. Takes effect after net.worker_restart().",
							   &pgnet_setting_username,
							   NULL,
							   PGC_SIGHUP, 0, NULL, NULL, NULL);

	MarkGUCPrefixReserved("pg_net");
}

/* How long responses are kept. */
TimeOffset
pgnet_setting_ttl(void)
{
	return ttl;
}

/* The worker has to connect to something. */
static bool
check_database_name(char **value, void **extra, GucSource source)
{
	(void) extra;
	(void) source;
	if (**value != '\0')
		return true;
	GUC_check_errdetail("A database name must not be empty.");
	return false;
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
