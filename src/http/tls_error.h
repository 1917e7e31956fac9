/*
 * tls_error.h -- what OpenSSL says is wrong.
 *
 * Runs in: workers.  Nothing here throws or allocates.
 */
#ifndef PGNET_TLS_ERROR_H
#define PGNET_TLS_ERROR_H

#include "postgres.h"

#include "http/errors.h"

/* Room for what it says. */
#define PGNET_TLS_ERROR_BYTES 256

/* Write its first error, as "error:0A00010B:SSL routines::..."; false: none. */
extern bool pgnet_tls_error_text(char *text, size_t size);

/*
 * Set an error to its first one, after what and a colon, or to what this
 * machine lacks, if it is that.
 */
extern void pgnet_tls_error_set(HttpError *error, HttpProblem problem,
								const char *what);

/* Set an error to what this machine lacks; false: it is nothing of the sort. */
extern bool pgnet_tls_error_set_shortage(HttpError *error);

/* The same for what the kernel says. */
extern bool pgnet_tls_error_set_errno(HttpError *error, int system_errno);

#endif							/* PGNET_TLS_ERROR_H */
