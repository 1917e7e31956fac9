/*
 * tls_error.c -- what OpenSSL says is wrong.
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include <openssl/err.h>

#include "http/tls_error.h"

/* Write it. */
bool
pgnet_tls_error_text(char *text, size_t size)
{
	unsigned long code = ERR_peek_error();

	ERR_error_string_n(code, text, size);
	return code != 0;
}

/* Set it. */
void
pgnet_tls_error_set(HttpError *error, HttpProblem problem, const char *what)
{
	char		text[PGNET_TLS_ERROR_BYTES];

	if (pgnet_tls_error_set_shortage(error))
		return;
	if (pgnet_tls_error_text(text, sizeof(text)))
		pgnet_error_set(error, problem, "%s: %s", what, text);
	else
		pgnet_error_set(error, problem, "%s", what);
}

/* What is lacking? */
bool
pgnet_tls_error_set_shortage(HttpError *error)
{
	unsigned long code = ERR_peek_error();

	if (ERR_SYSTEM_ERROR(code))
		return pgnet_tls_error_set_errno(error, ERR_GET_REASON(code));
	if (code == 0 || ERR_GET_REASON(code) != ERR_R_MALLOC_FAILURE)
		return false;
	pgnet_error_set(error, PGNET_PROBLEM_MEMORY, "out of memory");
	return true;
}

/* Is it something that may be there again soon? */
bool
pgnet_tls_error_set_errno(HttpError *error, int system_errno)
{
	bool		first = error->problem == PGNET_NO_PROBLEM;

	if (system_errno == EMFILE || system_errno == ENFILE)
		pgnet_error_set(error, PGNET_PROBLEM_SHORTAGE, "%s",
						strerror(system_errno));
	else if (system_errno == ENOMEM)
		pgnet_error_set(error, PGNET_PROBLEM_MEMORY, "out of memory");
	else
		return false;
	if (first)
		error->system_errno = system_errno;
	return true;
}
