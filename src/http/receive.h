/*
 * receive.h -- the body of an answer, as libcurl hands it over.
 *
 * Runs in: workers.  Nothing here throws.
 */
#ifndef PGNET_RECEIVE_H
#define PGNET_RECEIVE_H

#include "postgres.h"

#include "http/transfer.h"

/*
 * CURLOPT_WRITEFUNCTION of a Transfer: keep the bytes, decoded if that was
 * asked for, or have libcurl pause when there is no room or no time for more.
 */
extern size_t pgnet_receive_body(char *bytes, size_t size, size_t count,
								 void *arg);

/*
 * Bytes of a header section are about to come: count them.  False when there
 * is no memory for them.
 */
extern bool pgnet_receive_headers(Transfer *transfer, size_t bytes);

#endif							/* PGNET_RECEIVE_H */
