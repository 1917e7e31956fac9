/*
 * verdict.c -- what became of the request of a transfer that ended.
 *
 * Runs in: workers.
 */
#include "postgres.h"

#include "http/outcome.h"
#include "http/verdict.h"

static bool was_not_sent(const Transfer *transfer);
static bool ended_between_steps(const Transfer *transfer);
static void judge_failure(const Transfer *transfer);
static TimeSpent time_spent(const Transfer *transfer);
static const char *phase_of(const Transfer *transfer);
static const char *damage(const Transfer *transfer, bool answered);
static HttpFailure failure_of(HttpProblem problem);
static bool is_final(const Transfer *transfer);

/* Judge. */
void
pgnet_verdict(Transfer *transfer, bool answered)
{
	Job		   *job = transfer->job;
	HttpProblem problem = transfer->error.problem;

	if (was_not_sent(transfer))
	{
		pgnet_outcome_not_sent(job, transfer->shortage,
							   transfer->error.system_errno);
		return;
	}
	if (!ended_between_steps(transfer))
	{
		const char *damaged = damage(transfer, answered);

		if (damaged != NULL && !transfer->body.broken)
			pgnet_outcome_failed(job, "could not decompress the body of the response with status %d: %s",
								 transfer->status, damaged);
		else if (answered && !transfer->body.broken &&
				 !transfer->headers.too_large && transfer->headers.complete)
			pgnet_outcome_answered(job, transfer->status, &transfer->headers,
								   &transfer->body);
		else
			judge_failure(transfer);
	}
	job->outcome.bad_url = problem == PGNET_PROBLEM_URL &&
		transfer->hop.number == 0;
	job->outcome.failure = failure_of(problem);
	job->outcome.is_final = is_final(transfer);
	job->outcome.refused = transfer->hop.number == 0 &&
		(problem == PGNET_PROBLEM_URL ||
		 pgnet_destination_problem(&transfer->destination) != NULL);
}

/* Can it be sent later, as nothing of it has left this machine? */
static bool
was_not_sent(const Transfer *transfer)
{
	return transfer->held_back ||
		(transfer->shortage != PGNET_SHORT_OF_NOTHING && !transfer->counted);
}

/* Did it end although nothing was wrong with the exchange? */
static bool
ended_between_steps(const Transfer *transfer)
{
	Job		   *job = transfer->job;
	TimeSpent	spent;

	if (transfer->too_many)
		pgnet_outcome_failed(job,
							 "Number of redirects hit maximum amount: %d",
							 transfer->hop.number);
	else if (transfer->refusal != NULL)
		pgnet_outcome_failed(job, "%s", transfer->refusal);
	else if (transfer->out_of_time || transfer->not_connected)
	{
		spent = time_spent(transfer);
		pgnet_outcome_timed_out(job, &spent,
								transfer->out_of_time ?
									0 :
									transfer->connect_timeout_ms);
	}
	else
		return false;
	return true;
}

/* Why is there no answer? */
static void
judge_failure(const Transfer *transfer)
{
	Job		   *job = transfer->job;
	const char *problem = pgnet_destination_problem(&transfer->destination);

	if (problem != NULL)
		pgnet_outcome_failed(job, "%s", problem);
	else if (transfer->body.too_large)
		pgnet_outcome_failed(job, "response body is larger than %zu bytes",
							 transfer->body.limit);
	else if (transfer->body.no_room)
		pgnet_outcome_failed(job, "the worker's memory for responses is used up");
	else if (transfer->headers.too_large ||
			 transfer->error.problem == PGNET_PROBLEM_HEADERS_TOO_LARGE)
		pgnet_outcome_failed(job, "response headers are larger than %zu bytes or %d lines",
							 transfer->headers.max_bytes,
							 PGNET_MAX_HEADER_LINES);
	else if (transfer->error.problem == PGNET_NO_PROBLEM)
		pgnet_outcome_failed(job, "out of memory");
	else
		pgnet_outcome_error(job, &transfer->error, phase_of(transfer),
							transfer->hop.url);
}

/* Where did the time go?  Redirects before count as the request itself. */
static TimeSpent
time_spent(const Transfer *transfer)
{
	const HopTimes *times = &transfer->times;
	const DialTimes *dial = &times->dial;
	double		before = transfer->job->metrics.duration_us / 1000.0;
	double		total = (times->ended_us - times->began_us) / 1000.0;
	TimeSpent	spent = {0};

	if (times->ready_us != 0)
		spent.connect = (times->ready_us - times->asked_us) / 1000.0;
	else
		spent.connect = (times->ended_us - times->asked_us) / 1000.0;
	/* not if that was for an attempt before */
	if (dial->began_us >= times->asked_us)
	{
		/* what comes before, as waiting for the dial of another, counts, too */
		spent.lookup = dial->resolved_us != 0 ?
			(dial->resolved_us - times->asked_us) / 1000.0 :
			spent.connect;
		spent.connect -= spent.lookup;
	}
	spent.exchange = before + total - spent.lookup - spent.connect;
	return spent;
}

/* What was it at? */
static const char *
phase_of(const Transfer *transfer)
{
	if (transfer->times.first_byte_us != 0 || transfer->exchange.begun)
		return "receiving from";
	if (transfer->times.ready_us != 0)
		return "waiting for";
	switch (transfer->failed_phase)
	{
		case PGNET_DIAL_LOOKUP:
			return "looking up";
		case PGNET_DIAL_PROXY_TLS:
		case PGNET_DIAL_TLS:
			return "TLS handshake with";
		default:
			return "connecting to";
	}
}

/* Why can the body not be decoded?  A part of it is no body either. */
static const char *
damage(const Transfer *transfer, bool answered)
{
	if ((!answered || transfer->body.cut) &&
		transfer->decoder.problem == NULL)
		return NULL;
	return pgnet_decoder_problem(&transfer->decoder);
}

/* What did it fail at, if it failed? */
static HttpFailure
failure_of(HttpProblem problem)
{
	switch (problem)
	{
		case PGNET_PROBLEM_RESOLVE_PROXY:
		case PGNET_PROBLEM_RESOLVE_HOST:
		case PGNET_PROBLEM_CONNECT:
		case PGNET_PROBLEM_PROXY:
			return PGNET_FAILURE_CONNECT;
		case PGNET_PROBLEM_TLS:
		case PGNET_PROBLEM_VERIFICATION:
		case PGNET_PROBLEM_AUTHORITIES:
		case PGNET_PROBLEM_CERTIFICATE:
			return PGNET_FAILURE_TLS;
		default:
			return PGNET_FAILURE_OTHER;
	}
}

/*
 * Would another attempt fail, too?  So it is with what we refuse to take or to
 * connect to; a server or the network may be better next time.
 */
static bool
is_final(const Transfer *transfer)
{
	return transfer->too_many || transfer->refusal != NULL ||
		transfer->body.too_large || transfer->headers.too_large ||
		transfer->error.problem == PGNET_PROBLEM_HEADERS_TOO_LARGE ||
		transfer->error.problem == PGNET_PROBLEM_URL ||
		pgnet_destination_problem(&transfer->destination) != NULL;
}
