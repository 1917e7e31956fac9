/*
 * errors.c -- what a request fails at, and what that is called.
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include "http/errors.h"

/* Set it, unless one is there. */
void
pgnet_error_set(HttpError *error, HttpProblem problem, const char *format,...)
{
	va_list		arguments;

	if (error->problem != PGNET_NO_PROBLEM)
		return;
	error->problem = problem;
	va_start(arguments, format);
	(void) vsnprintf(error->detail, sizeof(error->detail), format, arguments);
	va_end(arguments);
}

/* Name it; some of these words are ours, as libcurl has none. */
const char *
pgnet_problem_words(HttpProblem problem)
{
	static const char *const words[] = {
		[PGNET_NO_PROBLEM] = "No error",
		[PGNET_PROBLEM_URL] = "URL using bad/illegal format or missing URL",
		[PGNET_PROBLEM_RESOLVE_PROXY] = "Couldn't resolve proxy name",
		[PGNET_PROBLEM_RESOLVE_HOST] = "Couldn't resolve host name",
		[PGNET_PROBLEM_CONNECT] = "Couldn't connect to server",
		[PGNET_PROBLEM_PROXY] = "Proxy handshake error",
		[PGNET_PROBLEM_TLS] = "SSL connect error",
		[PGNET_PROBLEM_VERIFICATION] =
			"SSL peer certificate or SSH remote key was not OK",
		[PGNET_PROBLEM_AUTHORITIES] =
			"Problem with the SSL CA cert (path? access rights?)",
		[PGNET_PROBLEM_CERTIFICATE] =
			"Problem with the local SSL certificate",
		[PGNET_PROBLEM_SEND] = "Failed sending data to the peer",
		[PGNET_PROBLEM_RECEIVE] = "Failure when receiving data from the peer",
		[PGNET_PROBLEM_NOTHING] =
			"Server returned nothing (no headers, no data)",
		[PGNET_PROBLEM_CUT_HEADERS] =
			"Server closed the connection within the response headers",
		[PGNET_PROBLEM_PARTIAL] = "Transferred a partial file",
		[PGNET_PROBLEM_REPLY] = "Weird server reply",
		[PGNET_PROBLEM_PROTOCOL] = "Unsupported protocol",
		[PGNET_PROBLEM_CODING] =
			"Unrecognized or bad HTTP Content or Transfer-Encoding",
		[PGNET_PROBLEM_HEADERS_TOO_LARGE] = "response headers are too large",
		[PGNET_PROBLEM_HTTP2] = "Error in the HTTP2 framing layer",
		[PGNET_PROBLEM_HTTP2_STREAM] =
			"Stream error in the HTTP/2 framing layer",
		[PGNET_PROBLEM_SHORTAGE] = "out of a resource of this machine",
		[PGNET_PROBLEM_MEMORY] = "out of memory"
	};

	return words[problem];
}
