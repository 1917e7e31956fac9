/*
 * outcome.c -- what libcurl found out, as an outcome.
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include <curl/curl.h>

#include "allocate.h"
#include "job.h"
#include "http/endpoint_mask.h"
#include "http/lookups.h"
#include "http/metrics.h"
#include "http/outcome.h"
#include "url_target.h"
#include "words.h"

static bool comes_from_host(CURLcode result);
static const char *find_content_type(const HeaderSection *headers);
static double milliseconds(CURL *easy, CURLINFO what);

/* Take over a response. */
void
pgnet_outcome_answered(Job *job, CURL *easy,
					   const HeaderSection *headers, const TransferBody *body)
{
	HttpOutcome *outcome = &job->outcome;
	long		status = 0;

	outcome->headers = headers->fields;
	outcome->nheaders = headers->nfields;
	(void) curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	outcome->content_type = find_content_type(headers);
	outcome->status_code = (int) status;
	outcome->content = body->bytes ? body->bytes : "";
	outcome->content_datum = body->datum;
	outcome->content_len = body->length;
	outcome->content_is_cut = body->dropped > 0;
	outcome->kind = PGNET_OUTCOME_ANSWERED;
}

/*
 * Say where the time went.  libcurl reports 0 for a phase that was not
 * reached: the time since the last one that was belongs to it.  Redirects
 * before count as the request itself.
 */
void
pgnet_outcome_timed_out(Job *job, CURL *easy,
						int connect_timeout_ms)
{
	double		before = job->metrics.duration_us / 1000.0;
	double		total = milliseconds(easy, CURLINFO_TOTAL_TIME_T);
	double		resolved = milliseconds(easy, CURLINFO_NAMELOOKUP_TIME_T);
	double		ready = pgnet_metrics_ready_us(easy) / 1000.0;
	bool		connecting = connect_timeout_ms > 0;
	int			timeout_ms = connecting ? connect_timeout_ms :
								  job->request.timeout_ms;

	/* libcurl may not have looked at the clock since it last did something */
	if (!connecting)
		total = Max(total, job->request.timeout_ms - before);
	/* of a connection that was there already no look up is known */
	if (ready == 0)
	{
		ready = total;
		if (resolved == 0)
			resolved = total;
	}
	pgnet_outcome_failed(job,
						 "%s of %d ms reached. Total time: %.3f ms"
						 " (DNS time: %.3f ms,"
						 " TCP/SSL handshake time: %.3f ms,"
						 " HTTP Request/Response time: %.3f ms)",
						 connecting ? "Connect timeout" : "Timeout",
						 timeout_ms,
						 before + total, resolved, ready - resolved,
						 before + total - ready);
	job->outcome.kind = PGNET_OUTCOME_TIMED_OUT;
	job->outcome.lookup_goes_on = pgnet_lookup_goes_on(easy);
}

void
pgnet_outcome_keep_part(Job *job, CURL *easy, const HeaderSection *headers,
						const TransferBody *body)
{
	HttpOutcome *outcome = &job->outcome;
	size_t		length = Min(body->length, PGNET_MAX_PART_BYTES);
	long		status = 0;
	HttpPart   *part;

	(void) curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	if (outcome->error == NULL || !headers->complete || headers->no_http ||
		status < 200 || status > 999)
		return;
	part = pgnet_allocate(job->request.context, sizeof(HttpPart));
	if (part == NULL)
		return;
	*part = (HttpPart) {
		.status_code = (int) status,
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
 * libcurl's own words for the error, and its detail where they leave the
 * question open; then what it was at, and with whom.  The two that users
 * compare with stay bare.
 */
void
pgnet_outcome_error(Job *job, CURL *easy, CURLcode result,
					const char *detail)
{
	const char *words = pgnet_words_of_failure(result, detail);
	const char *colon = ": ";
	char	   *url = NULL;
	const char *host;
	int			length;

	if (result == CURLE_COULDNT_CONNECT || result == CURLE_GOT_NOTHING)
	{
		pgnet_outcome_failed(job, "%s", words);
		return;
	}
	if (result == CURLE_OUT_OF_MEMORY &&
		pgnet_metrics_ready_us(easy) > 0)
	{
		/* which is also what libcurl 7.88 says of a line it finds too long */
		pgnet_outcome_failed(job, "out of memory, or a response header line"
								  " is larger than %d bytes",
							 CURL_MAX_HTTP_HEADER);
		return;
	}
	if (*detail == '\0' || strcmp(words, detail) == 0)
		colon = detail = "";
	(void) curl_easy_getinfo(easy, CURLINFO_EFFECTIVE_URL, &url);
	if (url == NULL || !comes_from_host(result))
	{
		pgnet_outcome_failed(job, "%s%s%s", words, colon, detail);
		return;
	}
	host = pgnet_url_host(url, &length);
	pgnet_outcome_failed(job, "%s%s%s (%s %.*s)", words, colon, detail,
						 pgnet_metrics_phase(easy), length, host);
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
comes_from_host(CURLcode result)
{
	return result != CURLE_COULDNT_RESOLVE_HOST &&
		result != CURLE_URL_MALFORMAT && result != CURLE_OUT_OF_MEMORY &&
		result != CURLE_FAILED_INIT && result != CURLE_SSL_CACERT_BADFILE &&
		result != CURLE_TOO_MANY_REDIRECTS;
}

/*
 * The content type of the final response, the last one if there are several.
 * CURLINFO_CONTENT_TYPE may be that of a redirect before it.
 */
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

/* One of libcurl's times, which are in microseconds. */
static double
milliseconds(CURL *easy, CURLINFO what)
{
	curl_off_t	microseconds = 0;

	(void) curl_easy_getinfo(easy, what, &microseconds);
	return microseconds / 1000.0;
}
