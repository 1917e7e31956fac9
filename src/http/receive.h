/*
 * receive.h -- the body of an answer, as libcurl hands it over.
 *
 * Runs in: workers.  Nothing here throws.
 */
#ifndef PGNET_RECEIVE_H
#define PGNET_RECEIVE_H

#include "postgres.h"

/*
 * CURLOPT_WRITEFUNCTION of a Transfer: keep the bytes, decoded if that was
 * asked for, or have libcurl pause when there is no room or no time for more.
 */
extern size_t pgnet_receive_body(char *bytes, size_t size, size_t count,
								 void *arg);

#endif							/* PGNET_RECEIVE_H */
