/*
 * outcome.c -- what was found out, as an outcome.
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include "allocate.h"
#include "http/endpoint_mask.h"
#include "http/outcome.h"
#include "url_target.h"

static bool comes_from_host(HttpProblem problem);
static const char *find_content_type(const HeaderSection *headers);

/* Take over a response. */
void
pgnet_outcome_answered(Job *job, int status, const HeaderSection *headers,
					   const TransferBody *body)
{
	HttpOutcome *outcome = &job->outcome;

	outcome->headers = headers->fields;
	outcome->nheaders = headers->nfields;
	outcome->content_type = find_content_type(headers);
	outcome->status_code = status;
	outcome->content = body->bytes ? body->bytes : "";
	outcome->content_datum = body->datum;
	outcome->content_len = body->length;
	outcome->content_is_cut = body->dropped > 0;
	outcome->kind = PGNET_OUTCOME_ANSWERED;
}

/* Say where the time went. */
void
pgnet_outcome_timed_out(Job *job, const TimeSpent *spent,
						int connect_timeout_ms)
{
	bool		connecting = connect_timeout_ms > 0;
	double		total = spent->lookup + spent->connect + spent->exchange;

	pgnet_outcome_failed(job,
						 "%s of %d ms reached. Total time: %.3f ms"
						 " (DNS time: %.3f ms,"
						 " TCP/SSL handshake time: %.3f ms,"
						 " HTTP Request/Response time: %.3f ms)",
						 connecting ? "Connect timeout" : "Timeout",
						 connecting ? connect_timeout_ms :
									  job->request.timeout_ms,
						 total, spent->lookup, spent->connect, spent->exchange);
	job->outcome.kind = PGNET_OUTCOME_TIMED_OUT;
}

void
pgnet_outcome_keep_part(Job *job, int status, const HeaderSection *headers,
						const TransferBody *body)
{
	HttpOutcome *outcome = &job->outcome;
	size_t		length = Min(body->length, PGNET_MAX_PART_BYTES);
	HttpPart   *part;

	if (outcome->error == NULL || !headers->complete || status < 200)
		return;
	part = pgnet_allocate(job->request.context, sizeof(HttpPart));
	if (part == NULL)
		return;
	*part = (HttpPart) {
		.status_code = status,
		.content_type = find_content_type(headers),
		.headers = headers->fields,
		.nheaders = headers->nfields,
		.content = pgnet_allocate(job->request.context, Max(length, 1)),
		.received = body->length
	};
	if (part->content != NULL)
	{
		memcpy(part->content, body->bytes ? body->bytes : "", length);
		part->content_len = length;
	}
	outcome->part = part;
}

/*
 * The words for the problem, and its detail where they leave the question open;
 * then what it was at, and with whom.  The two that users compare with stay
 * bare.
 */
void
pgnet_outcome_error(Job *job, const HttpError *error, const char *phase,
					const char *url)
{
	const char *words = pgnet_problem_words(error->problem);
	const char *detail = error->detail;
	const char *colon = ": ";
	const char *host;
	int			length;

	if (error->problem == PGNET_PROBLEM_CONNECT ||
		error->problem == PGNET_PROBLEM_NOTHING ||
		error->problem == PGNET_PROBLEM_CUT_HEADERS)
	{
		pgnet_outcome_failed(job, "%s", words);
		return;
	}
	if (*detail == '\0' || strcmp(words, detail) == 0)
		colon = detail = "";
	if (url == NULL || !comes_from_host(error->problem))
	{
		pgnet_outcome_failed(job, "%s%s%s", words, colon, detail);
		return;
	}
	host = pgnet_url_host(url, &length);
	pgnet_outcome_failed(job, "%s%s%s (%s %.*s)", words, colon, detail, phase,
						 length, host);
}

/* Say what there was too little of. */
void
pgnet_outcome_not_sent(Job *job, HttpShortage shortage,
					   int shortage_errno)
{
	job->outcome = (HttpOutcome) {
		.kind = PGNET_OUTCOME_NOT_SENT,
		.shortage = shortage,
		.shortage_errno = shortage_errno
	};
}

/* Write an error down. */
void
pgnet_outcome_failed(Job *job, const char *format,...)
{
	char		message[1024];
	char	   *copy;
	va_list		arguments;

	va_start(arguments, format);
	vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	if (job->request.endpoint != NULL)
		pgnet_endpoint_mask(job->request.endpoint, message, sizeof(message));
	copy = pgnet_allocate_copy(job->request.context, message);
	job->outcome = (HttpOutcome) {
		.kind = PGNET_OUTCOME_FAILED,
		.error = copy ? copy : "out of memory"
	};
}

/* Has an error to do with a host, and does its detail not name it? */
static bool
comes_from_host(HttpProblem problem)
{
	return problem != PGNET_PROBLEM_RESOLVE_HOST &&
		problem != PGNET_PROBLEM_URL && problem != PGNET_PROBLEM_MEMORY &&
		problem != PGNET_PROBLEM_AUTHORITIES;
}

/* The content type of a response, the last one if there are several. */
static const char *
find_content_type(const HeaderSection *headers)
{
	const char *found = NULL;

	for (int i = 0; i < headers->nfields; i++)
		if (pg_ascii_tolower(*headers->fields[i].name) == 'c' &&
			pg_strcasecmp(headers->fields[i].name, "Content-Type") == 0)
			found = headers->fields[i].value;
	return found;
}
