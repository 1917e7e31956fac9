/*
 * words.h -- what is wrong with a URL, in words.
 *
 * Runs in: client backends and workers.  Nothing here throws or allocates.
 *
 * People match on these texts, and libcurl rewords them now and then: with
 * every version they are those of libcurl 7.88.
 */
#ifndef PGNET_WORDS_H
#define PGNET_WORDS_H

#include "postgres.h"

#include <curl/curl.h>

/* Why url, or a redirect to url, is not a URL. */
extern const char *pgnet_words_of_url(CURLUcode code, const char *url);

#endif							/* PGNET_WORDS_H */
