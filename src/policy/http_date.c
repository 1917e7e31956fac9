/*
 * http_date.c -- dates in header fields (RFC 9110, section 5.6.7).
 *
 * Runs in: every process.
 */
#include "postgres.h"

#include "utils/datetime.h"
#include "utils/timestamp.h"

#include "policy/http_date.h"

/* No form is longer. */
#define MAX_DATE_LENGTH 40

static int	month_number(const char *name);
static int	full_year(int year, TimestampTz now);
static bool to_timestamp(struct pg_tm *tm, TimestampTz *date);

bool
pgnet_http_date_parse(const char *text, TimestampTz now, TimestampTz *date)
{
	struct pg_tm tm = {0};
	char		month[4];
	char		zone[4];
	int			end = 0;

	if (strlen(text) > MAX_DATE_LENGTH)
		return false;
	/* Sun, 06 Nov 1994 08:49:37 GMT */
	if (sscanf(text, "%*3[A-Za-z], %2d %3[A-Za-z] %4d %2d:%2d:%2d %3[GMT]%n",
			   &tm.tm_mday, month, &tm.tm_year, &tm.tm_hour, &tm.tm_min,
			   &tm.tm_sec, zone, &end) != 7)
	{
		/* Sunday, 06-Nov-94 08:49:37 GMT */
		if (sscanf(text, "%*9[A-Za-z], %2d-%3[A-Za-z]-%2d %2d:%2d:%2d %3[GMT]%n",
				   &tm.tm_mday, month, &tm.tm_year, &tm.tm_hour, &tm.tm_min,
				   &tm.tm_sec, zone, &end) == 7)
			tm.tm_year = full_year(tm.tm_year, now);
		/* Sun Nov  6 08:49:37 1994 */
		else if (sscanf(text, "%*3[A-Za-z] %3[A-Za-z] %2d %2d:%2d:%2d %4d%n",
						month, &tm.tm_mday, &tm.tm_hour, &tm.tm_min,
						&tm.tm_sec, &tm.tm_year, &end) != 6)
			return false;
	}
	if (text[end] != '\0')
		return false;
	tm.tm_mon = month_number(month);
	return to_timestamp(&tm, date);
}

/* 1 to 12, or 0. */
static int
month_number(const char *name)
{
	for (int i = 0; i < MONTHS_PER_YEAR; i++)
		if (pg_strcasecmp(name, months[i]) == 0)
			return i + 1;
	return 0;
}

/* The year that two digits mean. */
static int
full_year(int year, TimestampTz now)
{
	struct pg_tm tm;
	fsec_t		fsec;

	if (timestamp2tm(now, NULL, &tm, &fsec, NULL, NULL) != 0)
		return year;
	year += tm.tm_year - tm.tm_year % 100;
	return year > tm.tm_year + 50 ? year - 100 : year;
}

/* A time in UTC, if there is such a time. */
static bool
to_timestamp(struct pg_tm *tm, TimestampTz *date)
{
	/* 60 is a leap second */
	if (tm->tm_mon == 0 || tm->tm_mday < 1 || tm->tm_year < 1 ||
		tm->tm_mday > day_tab[isleap(tm->tm_year)][tm->tm_mon - 1] ||
		tm->tm_hour > 23 || tm->tm_min > 59 || tm->tm_sec > 60)
		return false;
	return tm2timestamp(tm, 0, NULL, date) == 0;
}
