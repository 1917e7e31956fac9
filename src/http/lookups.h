/*
 * lookups.h -- lookups of host names that go on after their request ended.
 *
 * Runs in: workers.  Nothing here throws.
 *
 * libcurl looks names up in threads, and getaddrinfo() cannot be cancelled: a
 * name server that does not answer keeps a thread and two descriptors longer
 * than most timeouts are.
 */
#ifndef PGNET_LOOKUPS_H
#define PGNET_LOOKUPS_H

#include "postgres.h"

#include <curl/curl.h>

/* A transfer that is about to end: does its lookup go on? */
extern bool pgnet_lookup_goes_on(CURL *easy);

/*
 * How many lookups there are at most, those of transfers under way included;
 * 0 where nobody can tell.
 */
extern int	pgnet_lookups_running(void);

#endif							/* PGNET_LOOKUPS_H */
