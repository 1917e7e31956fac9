/*
 * transfer.c -- one request on one libcurl handle.
 *
 * Runs in: workers.
 *
 * A redirect is a step of its own on the same handle.
 */
#include "postgres.h"

#include <curl/curl.h>

#include "allocate.h"
#include "job.h"
#include "http/handle.h"
#include "http/metrics.h"
#include "http/outcome.h"
#include "http/receive.h"
#include "http/transfer_state.h"
#include "http/verdict.h"
#include "words.h"

static bool take_another_connection(Transfer *transfer);
static bool begin_in_time(Transfer *transfer);
static bool connect_again(Transfer *transfer, CURLcode result);
static bool reconnect(Transfer *transfer);
static bool follow(Transfer *transfer, CURL *easy, CURLcode result);
static void end_transfer(Transfer *transfer, CURL *easy);
static void begin_step(Transfer *transfer, int left_ms);
static bool prepare(Transfer *transfer, CURL *easy);
static bool set_callbacks(Transfer *transfer);
static size_t max_response_bytes(const HttpRequest *request,
								 const HttpDefaults *defaults);
static size_t kept_bytes(const HttpRequest *request);
static int	max_redirects(const Transfer *transfer);
static const char *location(const Transfer *transfer);
static bool is_followed(const Transfer *transfer);
static curl_socket_t open_socket(void *arg, curlsocktype purpose,
								 struct curl_sockaddr *address);
static int	before_sending(void *arg, char *remote_ip, char *local_ip,
						   int remote_port, int local_port);
static void spare_addresses(const Transfer *transfer);
static size_t receive_header(char *bytes, size_t size, size_t count, void *arg);

#define SET(option, value) PGNET_SETUP(&transfer->setup, option, value)

/* Prepare a request. */
Transfer *
pgnet_transfer_create(CURL *easy, Job *job,
					  const TransferOptions *options)
{
	HttpRequest *request = &job->request;
	Transfer   *transfer;

	transfer = pgnet_allocate(request->context, sizeof(Transfer));
	if (transfer == NULL)
	{
		pgnet_outcome_not_sent(job, PGNET_SHORT_OF_MEMORY, ENOMEM);
		return NULL;
	}
	*transfer = (Transfer) {.job = job, .options = options};
	transfer->watch.sockets = options->sockets;
	pgnet_sending_init(&transfer->sending, job, options->sending);
	transfer->destination.request = request;
	transfer->destination.watch = &transfer->watch;
	transfer->destination.denied_networks = options->denied_networks;
	transfer->hop = pgnet_hop_first(request);
	transfer->headers.max_bytes = options->max_header_bytes;
	transfer->body.limit = max_response_bytes(request, options->defaults);
	transfer->body.kept = kept_bytes(request);
	transfer->body.budget = options->bodies;
	transfer->body.receiver.holder = job->holder;

	pgnet_deadline_set(options->deadlines, &transfer->deadline,
					   request->timeout_ms);
	begin_step(transfer, request->timeout_ms);
	if (prepare(transfer, easy))
		return transfer;

	if (transfer->setup.refused == CURLE_OUT_OF_MEMORY)
		pgnet_outcome_not_sent(job, PGNET_SHORT_OF_MEMORY, ENOMEM);
	else
		pgnet_outcome_failed(job, "%s", transfer->error_detail);
	end_transfer(transfer, easy);
	return NULL;
}

/* Find the transfer of a handle. */
Transfer *
pgnet_transfer_of(CURL *easy)
{
	char	   *transfer = NULL;

	(void) curl_easy_getinfo(easy, CURLINFO_PRIVATE, &transfer);
	return (Transfer *) transfer;
}

/* End the time of a transfer. */
Transfer *
pgnet_transfer_due(Deadline *deadline, CURL **easy)
{
	char	   *start = (char *) deadline - offsetof(Transfer, deadline);
	Transfer   *transfer = (Transfer *) start;

	transfer->out_of_time = true;
	*easy = transfer->setup.easy;
	return transfer;
}

Transfer *
pgnet_transfer_evicted(BodyReceiver *receiver, CURL **easy)
{
	char	   *start = (char *) receiver - offsetof(Transfer, body.receiver);
	Transfer   *transfer = (Transfer *) start;

	/* it may be known why it cannot go on */
	if (!transfer->body.broken && transfer->decoder.problem == NULL)
		transfer->body.broken = transfer->body.no_room = true;
	*easy = transfer->setup.easy;
	return transfer;
}

Transfer *
pgnet_transfer_undecodable(DecodingMember *member, CURL **easy)
{
	char	   *start = (char *) member - offsetof(Transfer, decoding);
	Transfer   *transfer = (Transfer *) start;

	*easy = transfer->setup.easy;
	return transfer;
}

/* Go on with another transfer of libcurl's. */
bool
pgnet_transfer_go_on(Transfer *transfer, CURL **handle, CURLcode result)
{
	CURL	   *easy;
	bool		same_step = take_another_connection(transfer) ||
		connect_again(transfer, result);

	pgnet_attempt_end(&transfer->attempt);
	if (!same_step && !follow(transfer, *handle, result))
		return false;
	pgnet_metrics_add(transfer->job, *handle);
	transfer->redirected = false;
	pgnet_header_section_clear(&transfer->headers);
	transfer->setup.fresh = transfer->sending.elsewhere;
	pgnet_sending_go_on(&transfer->sending, !same_step);
	transfer->destination.denied = false;
	easy = pgnet_handle_renew(*handle);
	if (easy != NULL)
		*handle = easy;
	transfer->unprepared = easy == NULL || !prepare(transfer, easy);
	return !transfer->unprepared;
}

/* Take the result over. */
Job *
pgnet_transfer_finish(Transfer *transfer, CURL *easy, CURLcode result)
{
	Job		   *job = transfer->job;

	pgnet_verdict(transfer, easy, result);
	if (job->outcome.kind != PGNET_OUTCOME_NOT_SENT)
		pgnet_metrics_add(job, easy);
	/* others may have that memory */
	if (job->outcome.kind != PGNET_OUTCOME_ANSWERED)
	{
		pgnet_outcome_keep_part(job, easy, &transfer->headers, &transfer->body);
		pgnet_decoder_free(&transfer->decoder, &transfer->body);
		pgnet_body_free(&transfer->body);
	}
	end_transfer(transfer, easy);
	return job;
}

/*
 * Did we refuse the connection that libcurl chose?  Then it opens one, which
 * has its own time to connect.
 */
static bool
take_another_connection(Transfer *transfer)
{
	return transfer->sending.elsewhere && begin_in_time(transfer);
}

/* Begin a step with what is left of the time; false when nothing is. */
static bool
begin_in_time(Transfer *transfer)
{
	int			left_ms =
		(int) pgnet_deadline_left_ms(transfer->options->deadlines,
									 &transfer->deadline);

	transfer->out_of_time = left_ms <= 0;
	if (!transfer->out_of_time)
		begin_step(transfer, left_ms);
	return !transfer->out_of_time;
}

/*
 * Did libcurl give up to connect too early?  Its clock went on while the
 * worker was away, and it looks at that before it looks whether there is a
 * connection.
 */
static bool
connect_again(Transfer *transfer, CURLcode result)
{
	return result == CURLE_OPERATION_TIMEDOUT &&
		!transfer->sending.unanswered &&
		transfer->options->deadlines->lost_us != transfer->lost_before_us &&
		reconnect(transfer);
}

/* Use what is left of the time to connect; false when nothing is. */
static bool
reconnect(Transfer *transfer)
{
	int64		left_us = transfer->connect_by_us -
		pgnet_deadlines_clock_us(transfer->options->deadlines);

	if (left_us <= 0)
		return false;
	transfer->hop.connect_timeout_ms = (int) ((left_us + 999) / 1000);
	return true;
}

/* Take the step a redirect asks for. */
static bool
follow(Transfer *transfer, CURL *easy, CURLcode result)
{
	Job		   *job = transfer->job;
	Hop		   *hop = &transfer->hop;
	long		status = 0;

	if (result != CURLE_OK || !transfer->redirected)
		return false;
	transfer->too_many = hop->number >= max_redirects(transfer);
	if (transfer->too_many)
		return false;
	(void) curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	transfer->refusal = pgnet_redirect_follow(hop, &job->request, status,
											  location(transfer));
	if (transfer->refusal != NULL)
		return false;
	if (!begin_in_time(transfer))
		return false;
	job->metrics.final_url = hop->url;
	return true;
}

/*
 * Free what libcurl holds of a transfer.  What we hold goes with the request,
 * but for one that is sent later: it may be tried many times.
 */
static void
end_transfer(Transfer *transfer, CURL *easy)
{
	pgnet_attempt_end(&transfer->attempt);
	pgnet_body_budget_leave(transfer->options->bodies,
							&transfer->body.receiver);
	pgnet_decoding_leave(transfer->options->decoding, &transfer->decoding);
	pgnet_decoder_free(&transfer->decoder, &transfer->body);
	pgnet_deadline_unset(transfer->options->deadlines, &transfer->deadline);
	pgnet_setup_free(&transfer->setup);
	pgnet_sending_end(&transfer->sending);
	if (transfer->job->outcome.kind != PGNET_OUTCOME_NOT_SENT)
		return;
	/* it points to the transfer */
	curl_easy_reset(easy);
	pfree(transfer);
}

/* Begin a step when so much is left: until when may it connect? */
static void
begin_step(Transfer *transfer, int left_ms)
{
	const HttpOptions *options = &transfer->job->request.options;
	int			connect_ms = options->connect_timeout_ms != PGNET_UNSET ?
		options->connect_timeout_ms :
		transfer->options->defaults->options.connect_timeout_ms;

	transfer->connect_timeout_ms = connect_ms < left_ms ? connect_ms : 0;
	transfer->connect_by_us = transfer->deadline.at_us;
	transfer->hop.connect_timeout_ms = left_ms;
	if (transfer->connect_timeout_ms == 0)
		return;
	transfer->connect_by_us -= (int64) (left_ms - connect_ms) * 1000;
	transfer->hop.connect_timeout_ms = connect_ms;
}

/* Set libcurl up for a step; false when an option was refused. */
static bool
prepare(Transfer *transfer, CURL *easy)
{
	Setup	   *setup = &transfer->setup;

	transfer->watch.easy = transfer->sending.easy = easy;
	transfer->body.receiver.easy = transfer->decoding.easy = easy;
	transfer->lost_before_us = transfer->options->deadlines->lost_us;
	pgnet_setup_free(setup);
	*setup = (Setup) {
		.easy = easy,
		.urls = transfer->options->urls,
		.fresh = setup->fresh,
	};
	transfer->opened = CURL_SOCKET_BAD;
	transfer->error_detail[0] = '\0';
	if (set_callbacks(transfer) &&
		pgnet_setup_hop(setup, &transfer->job->request, &transfer->hop,
						transfer->options->defaults))
	{
		transfer->destination.to_unix_socket = setup->to_unix_socket;
		transfer->destination.by_detour = setup->by_detour;
		return true;
	}
	snprintf(transfer->error_detail, sizeof(transfer->error_detail),
			 "could not set %s: %s", setup->refused_option,
			 pgnet_words(setup->refused));
	return false;
}

/* How large the body of the response may be. */
static size_t
max_response_bytes(const HttpRequest *request, const HttpDefaults *defaults)
{
	int64		limit = defaults->options.max_response_bytes;

	if (request->options.max_response_bytes != PGNET_UNSET)
		limit = Min(limit, request->options.max_response_bytes);
	return limit;
}

/* How much of the body is kept; what is longer is cut. */
static size_t
kept_bytes(const HttpRequest *request)
{
	if (request->endpoint == NULL || request->endpoint->keep_bytes < 0)
		return SIZE_MAX;
	return (size_t) request->endpoint->keep_bytes;
}

/* Where libcurl calls us. */
static bool
set_callbacks(Transfer *transfer)
{
	return SET(CURLOPT_PRIVATE, transfer) &&
		SET(CURLOPT_ERRORBUFFER, transfer->error_detail) &&
		SET(CURLOPT_RESOLVER_START_FUNCTION, pgnet_shortage_before_lookup) &&
		SET(CURLOPT_RESOLVER_START_DATA, &transfer->watch) &&
		SET(CURLOPT_OPENSOCKETFUNCTION, open_socket) &&
		SET(CURLOPT_OPENSOCKETDATA, transfer) &&
		SET(CURLOPT_CLOSESOCKETFUNCTION, pgnet_sockets_close) &&
		SET(CURLOPT_CLOSESOCKETDATA, transfer->options->sockets) &&
		SET(CURLOPT_PREREQFUNCTION, before_sending) &&
		SET(CURLOPT_PREREQDATA, transfer) &&
		SET(CURLOPT_HEADERFUNCTION, receive_header) &&
		SET(CURLOPT_HEADERDATA, transfer) &&
		SET(CURLOPT_WRITEFUNCTION, pgnet_receive_body) &&
		SET(CURLOPT_WRITEDATA, transfer);
}

/* CURLOPT_OPENSOCKETFUNCTION: connect to an address, the first or the next. */
static curl_socket_t
open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	Transfer   *transfer = arg;
	curl_socket_t fd = pgnet_destination_open_socket(&transfer->destination,
													 purpose, address);

	pgnet_attempt_begin(transfer->options->attempts, &transfer->attempt,
						transfer->setup.easy, fd);
	if (fd != CURL_SOCKET_BAD)
		transfer->opened = fd;
	return fd;
}

/* CURLOPT_PREREQFUNCTION: a connection is there. */
static int
before_sending(void *arg, char *remote_ip, char *local_ip, int remote_port,
			   int local_port)
{
	Transfer   *transfer = arg;
	ConnectionEnds ends = {
		.local_port = local_port,
		.remote_ip = remote_ip,
		.remote_port = remote_port,
		.tls = transfer->setup.tls,
		.http2 = transfer->setup.http2,
	};
	bool		opened = transfer->opened != CURL_SOCKET_BAD;

	(void) local_ip;
	pgnet_attempt_end(&transfer->attempt);
	pgnet_sockets_opened(transfer->options->sockets, transfer->opened);
	if (!pgnet_destination_allows(&transfer->destination, remote_ip))
	{
		/* opened when it was allowed; another of the host's addresses may be */
		if (transfer->destination.denied && !opened)
			pgnet_sending_elsewhere(&transfer->sending);
		return CURL_PREREQFUNC_ABORT;
	}
	return pgnet_sending_begin(&transfer->sending, &ends, opened) ?
		CURL_PREREQFUNC_OK :
		CURL_PREREQFUNC_ABORT;
}

/*
 * CURLOPT_HEADERFUNCTION: a line of the answer.  libcurl takes an answer that
 * is cut off before the end of its header section for a whole one.
 */
static size_t
receive_header(char *bytes, size_t size, size_t count, void *arg)
{
	Transfer   *transfer = arg;
	HeaderSection *headers = &transfer->headers;

	if (transfer->sending.unanswered)
		spare_addresses(transfer);
	transfer->sending.unanswered = false;
	if (!pgnet_receive_headers(transfer, size * count) ||
		!pgnet_header_section_take(headers, transfer->job->request.context,
								   bytes, size * count))
		return 0;
	transfer->redirected = headers->complete && is_followed(transfer);
	return size * count;
}

/*
 * An answer comes, so no address is needed any more.  At the end of a transfer
 * libcurl goes through all it has in mind for those that are too old
 * (lib/hostip.c, Curl_hostcache_prune()).  Leave that to the transfers that
 * added one: for others none is too old.
 */
static void
spare_addresses(const Transfer *transfer)
{
	CURL	   *easy = transfer->setup.easy;
	long		connects = 0;

	(void) curl_easy_getinfo(easy, CURLINFO_NUM_CONNECTS, &connects);
	if (connects == 0)
		(void) curl_easy_setopt(easy, CURLOPT_DNS_CACHE_TIMEOUT, -1L);
}

/* Is the answer that came a redirect, and do we follow those? */
static bool
is_followed(const Transfer *transfer)
{
	long		status = 0;

	(void) curl_easy_getinfo(transfer->setup.easy, CURLINFO_RESPONSE_CODE,
							 &status);
	return pgnet_redirect_is(status) && max_redirects(transfer) > 0 &&
		location(transfer) != NULL;
}

/* How many redirects may be followed. */
static int
max_redirects(const Transfer *transfer)
{
	const HttpOptions *options = &transfer->job->request.options;

	return options->max_redirects != PGNET_UNSET ?
		options->max_redirects :
		transfer->options->defaults->options.max_redirects;
}

/* Where the answer says to go; NULL when it does not. */
static const char *
location(const Transfer *transfer)
{
	const char *value = pgnet_headers_find(transfer->headers.fields,
										   transfer->headers.nfields,
										   "Location");

	return value != NULL && *value != '\0' ? value : NULL;
}
