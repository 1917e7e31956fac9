/*
 * transfer.c -- one request, from its start to its outcome.
 *
 * Runs in: workers.
 *
 * A request is sent in steps: one, and one more for each redirect that is
 * followed.  A step borrows a connection and has an exchange on it.
 *
 * When a connection that was used before ends without a response, the server
 * had closed it already, perhaps, or has received the request.  So a method
 * that is not idempotent is not sent again, and another only once (RFC 9110,
 * section 9.2.2), on a connection of its own: a kept one could end the same
 * way.  Once a byte of a response has come nothing is sent again (RFC 9112,
 * section 9.3.1).  What the server says that it did not process, or of which no
 * byte went out, was not sent, and is, whatever its method (RFC 9113, section
 * 8.7).
 */
#include "postgres.h"

#include "allocate.h"
#include "http/method.h"
#include "http/outcome.h"
#include "http/receive.h"
#include "http/request_message.h"
#include "http/verdict.h"

/* How often a step may be refused before it fails. */
#define MAX_REFUSALS 100

static void begin_hop(Transfer *transfer);
static bool find_way(Transfer *transfer);
static HttpVersion newest_version(const Transfer *transfer);
static void borrow(Transfer *transfer);
static void set_connect_timer(Transfer *transfer);
static void borrowed(Borrower *borrower, Connection *connection,
					 const DialResult *dialed);
static void note_dial(Transfer *transfer, const DialResult *dialed);
static void note_dial_times(Transfer *transfer, const DialResult *dialed);
static void exchange_done(Exchange *exchange, ExchangeEnd end);
static bool send_again(Transfer *transfer, ExchangeEnd end);
static bool is_lost(HttpProblem problem);
static void follow(Transfer *transfer);
static void time_is_over(Timer *timer);
static void connect_time_is_over(Timer *timer);
static void give_up(Transfer *transfer);
static void end_hop(Transfer *transfer);
static void end_transfer(Transfer *transfer, bool answered);

void
pgnet_transfer_start(Job *job, TransferOptions *options)
{
	HttpRequest *request = &job->request;
	Transfer   *transfer = pgnet_allocate(request->context, sizeof(Transfer));

	pgnet_metrics_begin(job);
	if (transfer == NULL)
	{
		pgnet_outcome_not_sent(job, PGNET_SHORT_OF_MEMORY, ENOMEM);
		options->finished(job, options->arg);
		return;
	}
	*transfer = (Transfer) {
		.job = job,
		.options = options,
		.hop = pgnet_hop_first(request),
		.deadline.due = time_is_over,
		.connecting.due = connect_time_is_over,
		.destination.request = request,
		.borrower.ready = borrowed,
		.borrower.holder = job->holder,
		.exchange.done = exchange_done,
	};
	transfer->borrower.route = &transfer->route;
	transfer->exchange.sink = &transfer->sink;
	pgnet_receive_init(transfer);
	pgnet_timer_set(options->timers, &transfer->deadline,
					(int64) request->timeout_ms * 1000);
	begin_hop(transfer);
}

void
pgnet_transfer_evict(BodyReceiver *receiver)
{
	Transfer   *transfer =
		(Transfer *) ((char *) receiver - offsetof(Transfer, body.receiver));

	/* it may be known why it cannot go on */
	if (!transfer->body.broken && transfer->decoder.problem == NULL)
		transfer->body.broken = transfer->body.no_room = true;
	give_up(transfer);
}

/* Take a step. */
static void
begin_hop(Transfer *transfer)
{
	transfer->times = (HopTimes) {
		.began_us = pgnet_monotonic_us()
	};
	transfer->failed_phase = PGNET_DIAL_LOOKUP;
	transfer->needs_http1 = transfer->repeated = false;
	transfer->refusals = 0;
	transfer->borrower.fresh = false;
	if (find_way(transfer))
		borrow(transfer);
	else
		end_transfer(transfer, false);
}

/* Where does it lead, may it go there, and what is sent? */
static bool
find_way(Transfer *transfer)
{
	const TransferOptions *options = transfer->options;
	const HttpRequest *request = &transfer->job->request;
	const Hop  *hop = &transfer->hop;
	bool		has_secret = request->endpoint != NULL &&
		request->endpoint->has_secret_url;
	HttpError  *error = &transfer->error;

	pgnet_web_url_end(transfer->url);
	transfer->url = pgnet_web_url_find(options->urls, hop->url, has_secret,
									   error);
	if (transfer->url == NULL ||
		!pgnet_route_find(&transfer->route, request, transfer->job->role,
						  transfer->url, newest_version(transfer),
						  options->defaults, options->tls, options->proxy,
						  error))
	{
		if (error->problem == PGNET_PROBLEM_MEMORY)
			transfer->shortage = PGNET_SHORT_OF_MEMORY;
		return false;
	}
	transfer->destination.denied_networks =
		options->pool->dials.denied_networks;
	if (!pgnet_destination_allows_url(&transfer->destination, hop->method,
									  hop->url, transfer->route.by_detour))
		return false;
	if (!pgnet_request_message(&transfer->exchange.message, request, hop,
							   &transfer->route, options->defaults))
	{
		transfer->shortage = PGNET_SHORT_OF_MEMORY;
		pgnet_error_set(error, PGNET_PROBLEM_MEMORY, "out of memory");
		return false;
	}
	return true;
}

/* The newest version of HTTP that may be spoken. */
static HttpVersion
newest_version(const Transfer *transfer)
{
	if (transfer->needs_http1)
		return PGNET_HTTP_1_1;
	return PGNET_OPTION(&transfer->job->request, transfer->options->defaults,
						http_version, PGNET_HTTP_UNSET);
}

/* Get a connection, or a promise of one. */
static void
borrow(Transfer *transfer)
{
	HopTimes   *times = &transfer->times;

	times->asked_us = pgnet_monotonic_us();
	times->ready_us = 0;
	set_connect_timer(transfer);
	pgnet_pool_borrow(transfer->options->pool, &transfer->borrower);
}

/* Until when may it have a connection, if not until the end? */
static void
set_connect_timer(Transfer *transfer)
{
	int			connect_ms = PGNET_OPTION(&transfer->job->request,
										  transfer->options->defaults,
										  connect_timeout_ms, PGNET_UNSET);
	int64		at_us = pgnet_timers_clock_us(transfer->options->timers) +
		(int64) connect_ms * 1000;

	transfer->connect_timeout_ms = 0;
	if (connect_ms <= 0 || at_us >= transfer->deadline.at_us)
		return;
	transfer->connect_timeout_ms = connect_ms;
	pgnet_timer_set_at(transfer->options->timers, &transfer->connecting, at_us);
}

/* ready of Borrower. */
static void
borrowed(Borrower *borrower, Connection *connection, const DialResult *dialed)
{
	Transfer   *transfer =
		(Transfer *) ((char *) borrower - offsetof(Transfer, borrower));
	TransferOptions *options = transfer->options;

	pgnet_timer_unset(options->timers, &transfer->connecting);
	if (dialed != NULL)
		note_dial(transfer, dialed);
	transfer->held_back = options->closed && !transfer->counted;
	if (connection == NULL || transfer->held_back)
	{
		if (dialed == NULL)
			transfer->shortage = PGNET_SHORT_OF_MEMORY;
		end_transfer(transfer, false);
		return;
	}
	transfer->times.ready_us = pgnet_monotonic_us();
	transfer->times.peer = connection->peer;
	if (!pgnet_connection_begin(connection, &transfer->exchange))
	{
		transfer->shortage = PGNET_SHORT_OF_MEMORY;
		pgnet_error_set(&transfer->error, PGNET_PROBLEM_MEMORY,
						"out of memory");
		end_transfer(transfer, false);
		return;
	}
	if (!transfer->counted)
		options->sent++;
	transfer->counted = true;
}

/* Remember what came of a dial for this transfer. */
static void
note_dial(Transfer *transfer, const DialResult *dialed)
{
	note_dial_times(transfer, dialed);
	if (dialed->phase == PGNET_DIAL_READY &&
		dialed->error.problem == PGNET_NO_PROBLEM)
		return;
	transfer->failed_phase = dialed->failed_phase;
	transfer->error = dialed->error;
	transfer->shortage = dialed->shortage;
	transfer->destination.denied |= dialed->denied;
}

/* It may have begun for another: what was before is none of our time. */
static void
note_dial_times(Transfer *transfer, const DialResult *dialed)
{
	HopTimes   *times = &transfer->times;
	DialTimes  *dial = &times->dial;
	int64	   *const all[] = {&dial->began_us, &dial->resolved_us,
						  &dial->connected_us, &dial->tls_us};

	times->dial = dialed->times;
	for (int i = 0; i < (int) lengthof(all); i++)
		if (*all[i] != 0)
			*all[i] = Max(*all[i], times->asked_us);
	times->by_tls = transfer->url->https;
	times->peer = dialed->peer;
}

/* done of Exchange. */
static void
exchange_done(Exchange *exchange, ExchangeEnd end)
{
	Transfer   *transfer =
		(Transfer *) ((char *) exchange - offsetof(Transfer, exchange));

	transfer->times.body_sent = exchange->body_sent;
	if (end == PGNET_EXCHANGE_COMPLETE && transfer->redirected)
		follow(transfer);
	else if (end == PGNET_EXCHANGE_COMPLETE || end == PGNET_EXCHANGE_STOPPED)
		end_transfer(transfer, true);
	else if (!send_again(transfer, end))
		end_transfer(transfer, false);
}

/* May it go out once more?  If not, error says why it failed. */
static bool
send_again(Transfer *transfer, ExchangeEnd end)
{
	Exchange   *exchange = &transfer->exchange;

	transfer->error = exchange->error;
	if (end == PGNET_EXCHANGE_NOT_PROCESSED)
	{
		if (++transfer->refusals > MAX_REFUSALS)
			return false;
		transfer->needs_http1 |= exchange->needs_http1;
		if (exchange->needs_http1 && !find_way(transfer))
			return false;
	}
	else if (exchange->reused && !exchange->begun &&
			 is_lost(exchange->error.problem))
	{
		if (transfer->repeated ||
			!pgnet_method_is_idempotent(transfer->job->request.method))
		{
			if (exchange->error.problem != PGNET_PROBLEM_HTTP2)
				transfer->error =
					(HttpError) {.problem = PGNET_PROBLEM_NOTHING};
			return false;
		}
		transfer->repeated = true;
		transfer->job->metrics.attempts++;
	}
	else
		return false;
	transfer->borrower.fresh = true;
	transfer->error = (HttpError) {0};
	pgnet_receive_again(transfer);
	borrow(transfer);
	return true;
}

/* Is it that the connection was lost? */
static bool
is_lost(HttpProblem problem)
{
	return problem == PGNET_PROBLEM_NOTHING ||
		problem == PGNET_PROBLEM_RECEIVE || problem == PGNET_PROBLEM_SEND ||
		problem == PGNET_PROBLEM_HTTP2;
}

/* Take the step a redirect asks for. */
static void
follow(Transfer *transfer)
{
	Job		   *job = transfer->job;
	Hop		   *hop = &transfer->hop;

	transfer->too_many = hop->number >= pgnet_max_redirects(transfer);
	if (!transfer->too_many)
		transfer->refusal = pgnet_redirect_follow(hop, &job->request,
												  transfer->status,
												  pgnet_location(transfer));
	if (transfer->too_many || transfer->refusal != NULL)
	{
		end_transfer(transfer, false);
		return;
	}
	end_hop(transfer);
	job->metrics.final_url = hop->url;
	pgnet_receive_again(transfer);
	begin_hop(transfer);
}

/* TimerDue: the whole time is over. */
static void
time_is_over(Timer *timer)
{
	Transfer   *transfer =
		(Transfer *) ((char *) timer - offsetof(Transfer, deadline));

	transfer->out_of_time = true;
	give_up(transfer);
}

/* TimerDue: that for having a connection is. */
static void
connect_time_is_over(Timer *timer)
{
	Transfer   *transfer =
		(Transfer *) ((char *) timer - offsetof(Transfer, connecting));

	transfer->not_connected = true;
	give_up(transfer);
}

/* End a transfer that is under way. */
static void
give_up(Transfer *transfer)
{
	const DialResult *dial = pgnet_borrower_dial(&transfer->borrower);

	if (dial != NULL)
		note_dial_times(transfer, dial);
	transfer->times.body_sent = transfer->exchange.body_sent;
	pgnet_pool_leave(transfer->options->pool, &transfer->borrower);
	pgnet_exchange_cancel(&transfer->exchange);
	end_transfer(transfer, false);
}

/* A step is over. */
static void
end_hop(Transfer *transfer)
{
	transfer->times.ended_us = pgnet_monotonic_us();
	pgnet_metrics_add(transfer->job, &transfer->times);
}

/*
 * Set the outcome, and hand the request back.  What we hold goes with it, but
 * for one that is sent later: it may be tried many times.
 */
static void
end_transfer(Transfer *transfer, bool answered)
{
	Job		   *job = transfer->job;
	TransferOptions *options = transfer->options;

	transfer->times.ended_us = pgnet_monotonic_us();
	pgnet_verdict(transfer, answered);
	if (job->outcome.kind != PGNET_OUTCOME_NOT_SENT)
		end_hop(transfer);
	/* others may have that memory */
	if (job->outcome.kind != PGNET_OUTCOME_ANSWERED)
	{
		pgnet_outcome_keep_part(job, transfer->status, &transfer->headers,
								&transfer->body);
		pgnet_decoder_free(&transfer->decoder, &transfer->body);
		pgnet_body_free(&transfer->body);
	}
	pgnet_body_budget_leave(options->bodies, &transfer->body.receiver);
	pgnet_decoding_leave(options->decoding, &transfer->decoding);
	pgnet_decoder_free(&transfer->decoder, &transfer->body);
	pgnet_timer_unset(options->timers, &transfer->deadline);
	pgnet_timer_unset(options->timers, &transfer->connecting);
	if (job->outcome.kind == PGNET_OUTCOME_NOT_SENT)
	{
		pgnet_request_message_free(&transfer->exchange.message);
		pgnet_route_free(&transfer->route);
	}
	pgnet_web_url_end(transfer->url);
	if (transfer->counted)
		options->sent--;
	if (job->outcome.kind == PGNET_OUTCOME_NOT_SENT)
		pfree(transfer);
	options->finished(job, options->arg);
}
