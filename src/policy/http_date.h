/*
 * http_date.h -- dates in header fields (RFC 9110, section 5.6.7).
 *
 * Runs in: every process.
 */
#ifndef PGNET_HTTP_DATE_H
#define PGNET_HTTP_DATE_H

#include "postgres.h"

#include "datatype/timestamp.h"

/*
 * Read a date in one of the three forms that a recipient has to accept; false
 * when it is none of them.  A year of two digits that seems to be more than 50
 * years after now is the last one that ends so.
 */
extern bool pgnet_http_date_parse(const char *text, TimestampTz now,
								  TimestampTz *date);

#endif							/* PGNET_HTTP_DATE_H */
