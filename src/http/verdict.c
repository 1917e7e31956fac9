/*
 * verdict.c -- what became of the request of a transfer that ended.
 *
 * Runs in: workers.
 *
 * libcurl says how the transfer ended.  Where we ended it ourselves, through a
 * callback or between two steps, we know better why.
 */
#include "postgres.h"

#include <curl/curl.h>

#include "http/outcome.h"
#include "http/transfer_state.h"
#include "http/verdict.h"

#define CUT_HEADERS \
	"Server closed the connection within the response headers"

static bool was_not_sent(Transfer *transfer, CURLcode result);
static bool ended_between_steps(Transfer *transfer, CURL *easy);
static void judge_answer(Transfer *transfer, CURL *easy);
static void judge_failure(Transfer *transfer, CURL *easy, CURLcode result);
static const char *damage(const Transfer *transfer, CURLcode result);
static long status_of(CURL *easy);
static bool has_status(CURL *easy);
static HttpFailure failure_of(CURLcode result);
static bool is_final(const Transfer *transfer, CURLcode result);

/* Judge. */
void
pgnet_verdict(Transfer *transfer, CURL *easy, CURLcode result)
{
	if (was_not_sent(transfer, result))
		return;
	if (!ended_between_steps(transfer, easy))
	{
		if ((result == CURLE_OK || transfer->body.cut) &&
			!transfer->body.broken &&
			damage(transfer, result) == NULL)
			judge_answer(transfer, easy);
		else
			judge_failure(transfer, easy, result);
	}
	transfer->job->outcome.bad_url = result == CURLE_URL_MALFORMAT &&
		transfer->hop.number == 0;
	transfer->job->outcome.failure = failure_of(result);
	transfer->job->outcome.is_final = is_final(transfer, result);
	transfer->job->outcome.refused = transfer->hop.number == 0 &&
		(result == CURLE_URL_MALFORMAT ||
		 pgnet_destination_problem(&transfer->destination) != NULL);
}

/* What did it fail at, if it failed? */
static HttpFailure
failure_of(CURLcode result)
{
	static const CURLcode tls[] = {
		CURLE_SSL_CONNECT_ERROR, CURLE_SSL_ENGINE_NOTFOUND,
		CURLE_SSL_ENGINE_SETFAILED, CURLE_SSL_CERTPROBLEM, CURLE_SSL_CIPHER,
		CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CACERT_BADFILE,
		CURLE_SSL_CRL_BADFILE, CURLE_SSL_ISSUER_ERROR,
		CURLE_SSL_PINNEDPUBKEYNOTMATCH, CURLE_SSL_INVALIDCERTSTATUS,
		CURLE_SSL_CLIENTCERT
	};

	if (result == CURLE_COULDNT_RESOLVE_PROXY ||
		result == CURLE_COULDNT_RESOLVE_HOST ||
		result == CURLE_COULDNT_CONNECT || result == CURLE_PROXY)
		return PGNET_FAILURE_CONNECT;
	for (int i = 0; i < (int) lengthof(tls); i++)
		if (result == tls[i])
			return PGNET_FAILURE_TLS;
	return PGNET_FAILURE_OTHER;
}

/*
 * Would another attempt fail, too?  So it is with what we refuse to take or to
 * connect to; a server or the network may be better next time.
 */
static bool
is_final(const Transfer *transfer, CURLcode result)
{
	return transfer->too_many || transfer->refusal != NULL ||
		transfer->body.too_large || transfer->headers.too_large ||
		result == CURLE_URL_MALFORMAT ||
		pgnet_destination_problem(&transfer->destination) != NULL;
}

/* Can it be sent later, as nothing of it has left this machine? */
static bool
was_not_sent(Transfer *transfer, CURLcode result)
{
	const ShortageWatch *watch = &transfer->watch;

	if (transfer->sending.held_back)
	{
		pgnet_outcome_not_sent(transfer->job, PGNET_SHORT_OF_NOTHING, 0);
		return true;
	}
	if (transfer->sending.unanswered || transfer->headers.lines > 0 ||
		result == CURLE_OK ||
		!pgnet_shortage_explains(&transfer->watch, result,
								 transfer->error_detail))
		return false;
	pgnet_outcome_not_sent(transfer->job, watch->shortage,
						   watch->shortage_errno);
	return true;
}

/* Did it end although libcurl may have found nothing wrong? */
static bool
ended_between_steps(Transfer *transfer, CURL *easy)
{
	Job		   *job = transfer->job;

	if (transfer->too_many)
		pgnet_outcome_failed(job,
							 "Number of redirects hit maximum amount: %d",
							 transfer->hop.number);
	else if (transfer->refusal != NULL)
		pgnet_outcome_failed(job, "%s", transfer->refusal);
	else if (transfer->unprepared)
		pgnet_outcome_failed(job, "%s", transfer->error_detail);
	else if (transfer->out_of_time)
		pgnet_outcome_timed_out(job, easy, 0);
	else
		return false;
	return true;
}

/* Is what libcurl takes for an answer one? */
static void
judge_answer(Transfer *transfer, CURL *easy)
{
	Job		   *job = transfer->job;

	if (!transfer->headers.complete)
		pgnet_outcome_failed(job, "%s", CUT_HEADERS);
	else if (transfer->headers.no_http || !has_status(easy))
		pgnet_outcome_error(job, easy, CURLE_WEIRD_SERVER_REPLY, "");
	else
		pgnet_outcome_answered(job, easy, &transfer->headers,
							   &transfer->body);
}

/* Why is there no answer?  For a reason of ours, or else libcurl's. */
static void
judge_failure(Transfer *transfer, CURL *easy, CURLcode result)
{
	Job		   *job = transfer->job;
	const char *problem = pgnet_destination_problem(&transfer->destination);

	if (problem != NULL)
		pgnet_outcome_failed(job, "%s", problem);
	else if (result == CURLE_OPERATION_TIMEDOUT)
		pgnet_outcome_timed_out(job, easy, transfer->connect_timeout_ms);
	else if (transfer->body.too_large)
		pgnet_outcome_failed(job, "response body is larger than %zu bytes",
							 transfer->body.limit);
	else if (transfer->body.no_room)
		pgnet_outcome_failed(job, "the worker's memory for responses is used up");
	else if (damage(transfer, result) != NULL)
		pgnet_outcome_failed(job, "could not decompress the body of the response with status %ld: %s",
							 status_of(easy), damage(transfer, result));
	else if (transfer->headers.too_large)
		pgnet_outcome_failed(job, "response headers are larger than %zu bytes or %d lines",
							 transfer->headers.max_bytes,
							 PGNET_MAX_HEADER_LINES);
	else if (transfer->sending.refused && transfer->sending.answered)
		pgnet_outcome_failed(job, "%s", CUT_HEADERS);
	else if (transfer->sending.refused)
		pgnet_outcome_error(job, easy, CURLE_GOT_NOTHING, "");
	else if (result == CURLE_OK || result == CURLE_WRITE_ERROR)
		pgnet_outcome_failed(job, "out of memory");
	else
		pgnet_outcome_error(job, easy, result, transfer->error_detail);
}

/* Why can the body not be decoded?  A part of it is no body either. */
static const char *
damage(const Transfer *transfer, CURLcode result)
{
	if (result != CURLE_OK && transfer->decoder.problem == NULL)
		return NULL;
	return pgnet_decoder_problem(&transfer->decoder);
}

/* The status of the answer, as libcurl has it. */
static long
status_of(CURL *easy)
{
	long		status = 0;

	(void) curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	return status;
}

/*
 * Is the status one (RFC 9110, section 15)?  libcurl 7.88 takes the digits of
 * "HTTP/2222222222.1 200" for it (lib/http.c).
 */
static bool
has_status(CURL *easy)
{
	long		status = status_of(easy);

	return status >= 0 && status <= 999;
}
