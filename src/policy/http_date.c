/*
 * http_date.c -- dates in header fields (RFC 9110, section 5.6.7).
 *
 * Runs in: every process.
 */
#include "postgres.h"

#include <ctype.h>

#include "utils/datetime.h"
#include "utils/timestamp.h"

#include "digits.h"
#include "policy/http_date.h"

static bool read_imf_fixdate(const char *at, struct pg_tm *tm);
static bool read_rfc850_date(const char *at, TimestampTz now,
							 struct pg_tm *tm);
static bool read_asctime_date(const char *at, struct pg_tm *tm);
static bool read_word(const char **at);
static bool read_month(const char **at, int *month);
static bool read_time(const char **at, struct pg_tm *tm);
static int	full_year(int year, TimestampTz now);
static bool to_timestamp(struct pg_tm *tm, TimestampTz *date);

bool
pgnet_http_date_parse(const char *text, TimestampTz now, TimestampTz *date)
{
	struct pg_tm tm = {0};

	return (read_imf_fixdate(text, &tm) || read_rfc850_date(text, now, &tm) ||
			read_asctime_date(text, &tm)) &&
		to_timestamp(&tm, date);
}

/* Sun, 06 Nov 1994 08:49:37 GMT */
static bool
read_imf_fixdate(const char *at, struct pg_tm *tm)
{
	return read_word(&at) && pgnet_read_literal(&at, ", ") &&
		pgnet_read_digits(&at, 2, &tm->tm_mday) &&
		pgnet_read_literal(&at, " ") && read_month(&at, &tm->tm_mon) &&
		pgnet_read_literal(&at, " ") &&
		pgnet_read_digits(&at, 4, &tm->tm_year) && read_time(&at, tm) &&
		strcmp(at, " GMT") == 0;
}

/* Sunday, 06-Nov-94 08:49:37 GMT */
static bool
read_rfc850_date(const char *at, TimestampTz now, struct pg_tm *tm)
{
	bool		is_date = read_word(&at) && pgnet_read_literal(&at, ", ") &&
		pgnet_read_digits(&at, 2, &tm->tm_mday) &&
		pgnet_read_literal(&at, "-") && read_month(&at, &tm->tm_mon) &&
		pgnet_read_literal(&at, "-") &&
		pgnet_read_digits(&at, 2, &tm->tm_year) && read_time(&at, tm) &&
		strcmp(at, " GMT") == 0;

	if (is_date)
		tm->tm_year = full_year(tm->tm_year, now);
	return is_date;
}

/* Sun Nov  6 08:49:37 1994 */
static bool
read_asctime_date(const char *at, struct pg_tm *tm)
{
	if (!read_word(&at) || !pgnet_read_literal(&at, " ") ||
		!read_month(&at, &tm->tm_mon) || !pgnet_read_literal(&at, " "))
		return false;
	return pgnet_read_digits(&at, *at == ' ' ? (at++, 1) : 2, &tm->tm_mday) &&
		read_time(&at, tm) && pgnet_read_literal(&at, " ") &&
		pgnet_read_digits(&at, 4, &tm->tm_year) && *at == '\0';
}

/* The name of a day, which the date says anyway. */
static bool
read_word(const char **at)
{
	const char *begin = *at;

	while (isalpha((unsigned char) **at))
		(*at)++;
	return *at > begin;
}

/* 1 to 12 */
static bool
read_month(const char **at, int *month)
{
	for (int i = 0; i < MONTHS_PER_YEAR; i++)
	{
		if (pg_strncasecmp(*at, months[i], 3) != 0)
			continue;
		*at += 3;
		*month = i + 1;
		return true;
	}
	return false;
}

/* A blank, and hours, minutes and seconds. */
static bool
read_time(const char **at, struct pg_tm *tm)
{
	return pgnet_read_literal(at, " ") &&
		pgnet_read_digits(at, 2, &tm->tm_hour) &&
		pgnet_read_literal(at, ":") &&
		pgnet_read_digits(at, 2, &tm->tm_min) &&
		pgnet_read_literal(at, ":") && pgnet_read_digits(at, 2, &tm->tm_sec);
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
	if (tm->tm_mday < 1 || tm->tm_year < 1 ||
		tm->tm_mday > day_tab[isleap(tm->tm_year)][tm->tm_mon - 1] ||
		tm->tm_hour > 23 || tm->tm_min > 59 || tm->tm_sec > 60)
		return false;
	return tm2timestamp(tm, 0, NULL, date) == 0;
}
