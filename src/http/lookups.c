/*
 * lookups.c -- lookups of host names that go on after their request ended.
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include <dirent.h>

#include "compat.h"
#include "http/lookups.h"

/* It has begun, and no address was found for the connection. */
bool
pgnet_lookup_goes_on(CURL *easy)
{
#ifdef PGNET_CURL_RESOLVER_POOL
	/* whose threads stay, and are limited by libcurl */
	(void) easy;
	return false;
#else
	curl_off_t	found_us = 0;
	curl_off_t	ready_us = 0;

	(void) curl_easy_getinfo(easy, CURLINFO_NAMELOOKUP_TIME_T, &found_us);
	(void) curl_easy_getinfo(easy, CURLINFO_PRETRANSFER_TIME_T, &ready_us);
	return found_us == 0 && ready_us == 0;
#endif
}

/* Of the threads of this process, all but one look names up. */
int
pgnet_lookups_running(void)
{
	DIR		   *threads = opendir("/proc/self/task");
	struct dirent *entry;
	int			count = 0;

	if (threads == NULL)
		return 0;
	while ((entry = readdir(threads)) != NULL)
		if (entry->d_name[0] != '.')
			count++;
	closedir(threads);
	return Max(count - 1, 0);
}
