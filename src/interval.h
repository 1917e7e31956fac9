/*
 * interval.h -- reading an interval without throwing.
 *
 * Runs in: every process.
 */
#ifndef PGNET_INTERVAL_H
#define PGNET_INTERVAL_H

#include "postgres.h"

#include "datatype/timestamp.h"

/*
 * Read an interval; false when text is none.  The postmaster checks settings
 * outside of any transaction, where an error would be the end of it.
 */
extern bool pgnet_interval_parse(const char *text, Interval *interval);

#endif							/* PGNET_INTERVAL_H */
