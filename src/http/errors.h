/*
 * errors.h -- what a request fails at, and what that is called.
 *
 * Runs in: workers.  Nothing here throws or allocates.
 *
 * People match on the words, which are those of libcurl 7.88.
 */
#ifndef PGNET_ERRORS_H
#define PGNET_ERRORS_H

#include "postgres.h"

typedef enum HttpProblem
{
	PGNET_NO_PROBLEM,
	PGNET_PROBLEM_URL,			/* no request can be sent to it */
	PGNET_PROBLEM_RESOLVE_PROXY,
	PGNET_PROBLEM_RESOLVE_HOST,
	PGNET_PROBLEM_CONNECT,
	PGNET_PROBLEM_PROXY,		/* it does not let us through */
	PGNET_PROBLEM_TLS,			/* the handshake failed */
	PGNET_PROBLEM_VERIFICATION, /* the server's certificate is not good */
	PGNET_PROBLEM_AUTHORITIES,	/* ours cannot be read */
	PGNET_PROBLEM_CERTIFICATE,	/* our client's certificate is not one */
	PGNET_PROBLEM_SEND,
	PGNET_PROBLEM_RECEIVE,
	PGNET_PROBLEM_NOTHING,		/* the connection ended without an answer */
	PGNET_PROBLEM_CUT_HEADERS,	/* or within the header section */
	PGNET_PROBLEM_PARTIAL,		/* or within the body */
	PGNET_PROBLEM_REPLY,		/* what came has a fault, as in a field */
	PGNET_PROBLEM_PROTOCOL,		/* it is not HTTP, or of no known version */
	PGNET_PROBLEM_CODING,		/* its Transfer-Encoding is not supported */
	PGNET_PROBLEM_HEADERS_TOO_LARGE,
	PGNET_PROBLEM_HTTP2,		/* the same of a connection with HTTP/2 */
	PGNET_PROBLEM_HTTP2_STREAM, /* a stream was reset */
	PGNET_PROBLEM_SHORTAGE,		/* of this machine; system_errno says of what */
	PGNET_PROBLEM_MEMORY		/* malloc() said no */
} HttpProblem;

/* Room for a detail. */
#define PGNET_ERROR_DETAIL_BYTES 256

/* One of zeros is no error. */
typedef struct HttpError
{
	HttpProblem problem;
	int			system_errno;	/* 0: unknown */
	char		detail[PGNET_ERROR_DETAIL_BYTES];	/* "": none */
} HttpError;

/* Set an error; the first one stays.  What is too long is cut. */
extern void pgnet_error_set(HttpError *error, HttpProblem problem,
							const char *format,...)
	pg_attribute_printf(3, 4);

/* The words for a problem, such as "SSL connect error". */
extern const char *pgnet_problem_words(HttpProblem problem);

#endif							/* PGNET_ERRORS_H */
