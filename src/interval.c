/*
 * interval.c -- reading an interval without throwing.
 *
 * Runs in: every process.
 */
#include "postgres.h"

#include "utils/datetime.h"

#include "interval.h"

/* The steps are those of interval_in() (utils/adt/timestamp.c). */
bool
pgnet_interval_parse(const char *text, Interval *interval)
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
